import { HybridgeError } from "@hybridge/core";

/** Something in the log cannot be read, or is missing: no writer makes that. */
export class LogCorruptError extends HybridgeError {
  readonly code = "LANDING_LOG_CORRUPT";
  readonly retry = "never";
}

/** The folder holds another log than the one that is expected, or an older copy of it. */
export class LogForeignError extends HybridgeError {
  readonly code = "LANDING_LOG_FOREIGN";
  readonly retry = "never";
}

/** A newer version of Hybridge wrote something that this one must not pass over. */
export class LogUnknownActionError extends HybridgeError {
  readonly code = "LANDING_LOG_UNKNOWN_ACTION";
  readonly retry = "never";
}

/** The log has another version of the protocol than this one reads. */
export class LogVersionError extends HybridgeError {
  readonly code = "LANDING_LOG_VERSION";
  readonly retry = "never";
}

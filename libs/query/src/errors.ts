import { HybridgeError } from "@hybridge/core";

/** The statement is not one read-only query, or uses something that queries may not use. */
export class SqlRefusedError extends HybridgeError {
  readonly code = "SQL_REFUSED";
  override readonly kind = "invalid";
  readonly retry = "never";
}

/** A named parameter is missing, superfluous, or cannot be expressed in the engine's SQL. */
export class SqlParameterError extends HybridgeError {
  readonly code = "SQL_PARAMETER";
  override readonly kind = "invalid";
  readonly retry = "never";
}

import { HybridgeError } from "@hybridge/core";

/** The Data API does not answer, or answers that it cannot serve right now. */
export class RedshiftUnavailableError extends HybridgeError {
  readonly code = "REDSHIFT_UNAVAILABLE";
  readonly retry = "backoff";
}

/** A transaction met another one that changed the same tables; it can be run again. */
export class RedshiftConflictError extends HybridgeError {
  readonly code = "REDSHIFT_CONFLICT";
  readonly retry = "backoff";
}

/** Redshift refused a statement, or failed while it ran it. */
export class RedshiftStatementError extends HybridgeError {
  readonly code = "REDSHIFT_STATEMENT";
  readonly retry = "never";
  readonly statementId: string;

  constructor(message: string, statementId: string, options?: ErrorOptions) {
    super(message, options);
    this.statementId = statementId;
  }
}

/** Somebody else, or Redshift itself, ended a statement before it had finished. */
export class RedshiftAbortedError extends HybridgeError {
  readonly code = "REDSHIFT_ABORTED";
  readonly retry = "backoff";
}

/** The Data API does not accept the credentials, or they lack a right. */
export class RedshiftAccessError extends HybridgeError {
  readonly code = "REDSHIFT_ACCESS";
  readonly retry = "never";
}

/** The Data API calls a request wrong, or its answer is not one that we know. */
export class RedshiftRequestError extends HybridgeError {
  readonly code = "REDSHIFT_REQUEST";
  readonly retry = "never";
}

/** A table in Redshift lacks columns that this version loads. */
export class RedshiftSchemaError extends HybridgeError {
  readonly code = "REDSHIFT_SCHEMA";
  readonly retry = "never";
}

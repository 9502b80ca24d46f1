import { HybridgeError } from "@hybridge/core";

/** The Data API does not answer, or answers that it cannot serve right now. */
export class RedshiftUnavailableError extends HybridgeError {
  readonly code = "REDSHIFT_UNAVAILABLE";
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

/** A statement as the Data API knows it. */
export interface StatementIdentity {
  readonly id: string;
}

/** Redshift had the statement, and it has ended without success: nothing of it is in effect. */
export abstract class StatementEndedError extends HybridgeError {
  readonly statement: StatementIdentity;
  /** What failed; of a batch the one statement, where Redshift says which. */
  readonly sql: string;

  constructor(message: string, statement: StatementIdentity, sql: string) {
    super(message);
    this.statement = statement;
    this.sql = sql;
  }
}

/** Redshift refused a statement, or failed while it ran it, and will again. */
export class RedshiftStatementError extends StatementEndedError {
  readonly code = "REDSHIFT_STATEMENT";
  override readonly kind = "invalid";
  readonly retry = "never";
}

/** A transaction met another one that changed the same tables; it can be run again. */
export class RedshiftConflictError extends StatementEndedError {
  readonly code = "REDSHIFT_CONFLICT";
  readonly retry = "backoff";
}

/** A statement failed for what passes by itself: S3 away, a restart, a full disk. */
export class RedshiftInterruptedError extends StatementEndedError {
  readonly code = "REDSHIFT_INTERRUPTED";
  readonly retry = "backoff";
}

/** Somebody else, or Redshift itself, cancelled a statement. */
export class RedshiftAbortedError extends StatementEndedError {
  readonly code = "REDSHIFT_ABORTED";
  readonly retry = "backoff";
}

/** A statement ran longer than the time that it was given. */
export class RedshiftTimeoutError extends StatementEndedError {
  readonly code = "REDSHIFT_TIMEOUT";
  override readonly kind = "timeout";
  readonly retry = "never";
}

/** A row of a result has more than the 64 KB that the Data API carries. */
export class RedshiftRowSizeError extends StatementEndedError {
  readonly code = "REDSHIFT_ROW_SIZE";
  override readonly kind = "invalid";
  readonly retry = "never";
}

/** A result has more than the 500 MB that the Data API carries. */
export class RedshiftResultSizeError extends StatementEndedError {
  readonly code = "REDSHIFT_RESULT_SIZE";
  readonly retry = "never";
}

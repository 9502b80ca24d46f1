import type { ColumnMetadata } from "./fields.ts";

/** What one statement gave. */
export interface EngineResult {
  readonly columns: readonly ColumnMetadata[] | undefined;
  /** Rows as JSON texts of Field unions. */
  readonly records: readonly string[];
  /** Bytes of the values of each row. */
  readonly sizes: readonly number[];
  /** Rows affected; 0 for what counts none. */
  readonly affected: number;
}

export interface EngineFailure {
  readonly code: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly where: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;
}

/** A statement that PostgreSQL refused. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly failure: EngineFailure;

  constructor(failure: EngineFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** The session or the whole engine has ended; PostgreSQL has rolled its transaction back. */
export class EngineInterrupted extends Error {
  override readonly name = "EngineInterrupted";
}

import type { ColumnMetadata } from "./fields.ts";

/** To the worker. */
export interface EngineRequest {
  readonly id: number;
  readonly sql: string;
}

/** What one statement gave. */
export interface EngineResult {
  readonly columns: readonly ColumnMetadata[] | undefined;
  /** Rows as JSON texts of Field unions. */
  readonly records: readonly string[];
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

/** From the worker. */
export type EngineReply =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly result: EngineResult }
  | { readonly kind: "failure"; readonly id: number; readonly failure: EngineFailure }
  | { readonly kind: "broken"; readonly message: string };

/** A statement that PostgreSQL refused. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly failure: EngineFailure;

  constructor(failure: EngineFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The statement was cut off; its transaction is rolled back when the database is next opened. */
export class EngineInterrupted extends Error {
  override readonly name = "EngineInterrupted";
}

import type { Clock, Emit } from "@hybridge/core";

/** The warehouse and the ways to it. Give `workgroup` (serverless) or `cluster`, not both. */
export interface RedshiftOptions {
  /** Default: the service's own of the region. */
  readonly endpoint?: string;
  readonly region: string;
  readonly workgroup?: string;
  readonly cluster?: string;
  readonly database: string;
  /** With `cluster`: the user that the credentials may act as. */
  readonly dbUser?: string;
  /** Secret with user and password, instead of the credentials' own identity. */
  readonly secretArn?: string;
  /** Default: the AWS SDK's chain (AWS_ACCESS_KEY_ID, profile, role of the machine). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly timeouts?: Partial<RedshiftTimeouts>;
  readonly emit?: Emit;
  readonly clock?: Clock;
}

/** Longest waits, in milliseconds. */
export interface RedshiftTimeouts {
  /** TCP and TLS. */
  readonly connectMs: number;
  /** Any answer; a long poll has its own wait on top. */
  readonly answerMs: number;
  /** From the end of the caller's interest until a statement is left to itself. */
  readonly cancelMs: number;
  /** Without news of a statement that runs; then it is cancelled and given up. */
  readonly lostMs: number;
}

/** How the values of a column are held; the names are those of hybridge.query.v1. */
export type RedshiftValueType =
  "bool" | "int64" | "double" | "decimal" | "string" | "bytes" | "timestamp" | "date";

export interface RedshiftColumn {
  /** As the statement names it; two columns may have the same name. */
  readonly name: string;
  /** Redshift's own, in lower case with its qualifiers: int8, numeric(10,2), varchar(20), super. */
  readonly engineType: string;
  readonly type: RedshiftValueType;
}

/**
 * One column of a batch, exact: all integers as bigint; decimals, dates and timestamps as
 * Redshift's own text (`2026-11-23 09:00:00.123`); SUPER as JSON text. A null has a zero value
 * (false, 0, "", an empty buffer) in `values` and its index in `nullRows`, ascending.
 */
export type RedshiftValues =
  | { readonly list: "bools"; readonly values: boolean[]; readonly nullRows: number[] }
  | { readonly list: "int64s"; readonly values: bigint[]; readonly nullRows: number[] }
  | { readonly list: "doubles"; readonly values: number[]; readonly nullRows: number[] }
  | { readonly list: "strings"; readonly values: string[]; readonly nullRows: number[] }
  | { readonly list: "bytes"; readonly values: Buffer[]; readonly nullRows: number[] };

/** Consecutive rows, column by column, in the order of the columns of the result. */
export interface RedshiftBatch {
  readonly rowCount: number;
  readonly columns: readonly RedshiftValues[];
}

/** Values of `:name` in the SQL. Redshift gives an untyped one the type of its place. */
export type RedshiftParameters = Readonly<
  Record<string, string | number | bigint | boolean | null>
>;

export interface ExecuteOptions {
  /** Aborting cancels the statement in the engine, whatever it is doing. */
  readonly signal: AbortSignal;
  readonly parameters?: RedshiftParameters;
  /**
   * Sent along as statement_timeout: the engine ends the statement after that time, whatever has
   * become of its client. Whole milliseconds.
   */
  readonly timeoutMs?: number;
  /** Told as soon as Redshift has the statement: its id there. */
  readonly onStarted?: (statementId: string) => void;
}

/**
 * A statement that has finished. `batches` can be iterated once, a page of the Data API each; one
 * page is fetched ahead, no more. Redshift keeps the result for 24 hours; nothing is to be closed.
 */
export interface RedshiftResult {
  readonly statementId: string;
  /** Empty for a statement without rows, such as DDL. */
  readonly columns: readonly RedshiftColumn[];
  /** Rows of the result, or rows that were written; undefined when Redshift does not say. */
  readonly rows: bigint | undefined;
  readonly batches: AsyncIterable<RedshiftBatch>;
}

export interface TransactionOptions {
  /** Aborting cancels the transaction in the engine. */
  readonly signal: AbortSignal;
  /**
   * Names the transaction, at most 64 characters: giving it again within 8 hours returns how it
   * went instead of running it again, also to another process. A new one each time by default.
   */
  readonly token?: string;
  /** Told as soon as Redshift has the transaction: its id there. */
  readonly onStarted?: (statementId: string) => void;
}

/** A committed transaction. */
export interface TransactionResult {
  readonly statementId: string;
  /** Rows that each statement wrote or loaded; undefined where Redshift does not say. */
  readonly rows: readonly (bigint | undefined)[];
}

/** One database of a Redshift warehouse. Opening connects to nothing: the first statement does. */
export interface Redshift extends AsyncDisposable {
  /** For people: where it is. */
  readonly address: string;
  /**
   * Runs one statement and returns when its rows can be fetched.
   *
   * @throws RedshiftStatementError when Redshift refuses or fails it; RedshiftUnavailableError,
   * RedshiftConflictError, RedshiftInterruptedError, RedshiftAbortedError when trying again helps;
   * RedshiftAccessError, RedshiftRequestError; the signal's reason
   */
  execute(sql: string, options: ExecuteOptions): Promise<RedshiftResult>;
  /**
   * Runs 1 to 40 statements as one transaction: all of them or none. Temporary tables live until
   * its end.
   *
   * @throws as `execute`; the statement that failed is named
   */
  transaction(sqls: readonly string[], options: TransactionOptions): Promise<TransactionResult>;
}

import type { Emit, TlsMaterial } from "@hybridge/core";

/** Longest waits, in milliseconds. A phase that takes longer ends in an UnavailableError. */
export interface HiveTimeouts {
  /** TCP, TLS and the log-in. */
  readonly connectMs: number;
  /** Any single answer but the two below. */
  readonly answerMs: number;
  /** HiveServer2 compiles a statement before it answers, and may wait for locks there. */
  readonly compileMs: number;
  /** A page of rows: the engine may still be scanning for them. */
  readonly fetchMs: number;
  /** From the end of the caller's interest until a statement is cancelled or its connection cut. */
  readonly cancelMs: number;
}

/** Where a HiveServer2 listens. */
export interface HiveAddress {
  readonly host: string;
  readonly port: number;
}

/** What secures a connection; the certificate of the server is always checked. */
export interface HiveTls extends TlsMaterial {
  /** The name that the certificate must have, where it is not the host. */
  readonly serverName?: string;
}

export interface HiveOptions extends HiveAddress {
  /** Further servers of the same metastore; one that does not answer is passed over. */
  readonly others?: readonly HiveAddress[];
  /** The server's hive.server2.transport.mode. Default: binary. */
  readonly transport?: "binary" | "http";
  /** hive.server2.thrift.http.path. Default: cliservice. */
  readonly httpPath?: string;
  /** Default: hybridge. */
  readonly user?: string;
  /** For `plain`; HiveServer2 without LDAP or the like takes any. Asked for at each log-in. */
  readonly password?: string | { value(): string };
  /** The server's hive.server2.authentication: NONE, LDAP, PAM, CUSTOM are `plain` (default). */
  readonly auth?: "plain" | "nosasl";
  /** Present: TLS. A function is asked at each connection: certificates may change. */
  readonly tls?: HiveTls | (() => HiveTls);
  /** Database that names without one belong to. Default: default. */
  readonly database?: string;
  /** Hive settings of every session. Default: hive.local.time.zone=UTC, where the server allows it. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Sessions at the same time; further statements wait. Default: 8. */
  readonly sessionsMax?: number;
  /** An idle session is closed after this long. Default: 60 s. */
  readonly sessionIdleMs?: number;
  readonly timeouts?: Partial<HiveTimeouts>;
  readonly emit?: Emit;
}

/** How the values of a column are held; the names are those of hybridge.query.v1. */
export type HiveValueType =
  "bool" | "int64" | "double" | "decimal" | "string" | "bytes" | "timestamp" | "date";

export interface HiveColumn {
  /** As the statement names it; two columns may have the same name. */
  readonly name: string;
  /** Hive's own, in lower case with its qualifiers: `decimal(10,2)`, `varchar(20)`, `bigint`. */
  readonly engineType: string;
  readonly type: HiveValueType;
}

/**
 * One column of a batch, exact: all integers as bigint; decimals, dates and timestamps as Hive's
 * own text (`2026-11-23 09:00:00.123456`); arrays, maps and structs as JSON text. A null has a zero
 * value (false, 0, "", an empty buffer) in `values` and its index in `nullRows`, ascending.
 */
export type HiveValues =
  | { readonly list: "bools"; readonly values: boolean[]; readonly nullRows: number[] }
  | { readonly list: "int64s"; readonly values: bigint[]; readonly nullRows: number[] }
  | { readonly list: "doubles"; readonly values: number[]; readonly nullRows: number[] }
  | { readonly list: "strings"; readonly values: string[]; readonly nullRows: number[] }
  | { readonly list: "bytes"; readonly values: Buffer[]; readonly nullRows: number[] };

/** Consecutive rows, column by column, in the order of the columns of the result. */
export interface HiveBatch {
  readonly rowCount: number;
  readonly columns: readonly HiveValues[];
}

export interface ExecuteOptions {
  /** Aborting cancels the statement in the engine, whatever it is doing. */
  readonly signal: AbortSignal;
  /** Most rows of a page. Default 10,000; wide rows come in smaller pages. */
  readonly fetchRowsMax?: number;
  /** The engine itself ends the statement after this long; rounded up to seconds. */
  readonly queryTimeoutMs?: number;
  /** Hive settings for this statement alone. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Told as soon as the engine has the statement: its id there, as HiveServer2's log has it. */
  readonly onStarted?: (operationId: string) => void;
}

/**
 * A statement that has finished executing. `batches` can be iterated once; leaving it early, or
 * disposing the result, frees what the engine holds for it. One page is fetched ahead, no more.
 */
export interface HiveResult extends AsyncDisposable {
  /** The guid of the operation, 32 hex digits with dashes. */
  readonly operationId: string;
  /** Empty for a statement without rows, such as DDL. */
  readonly columns: readonly HiveColumn[];
  readonly batches: AsyncIterable<HiveBatch>;
}

/** Sessions of HiveServer2. Opening connects to nothing: the first statement does. */
export interface Hive extends AsyncDisposable {
  /** host:port, several with commas. */
  readonly address: string;
  /**
   * Runs one statement and returns when its rows can be fetched.
   *
   * @throws HiveStatementError when Hive refuses or fails it; UnavailableError when HiveServer2
   * or what it needs is away; HiveLoginError; HiveTimeoutError; the signal's reason
   */
  execute(sql: string, options: ExecuteOptions): Promise<HiveResult>;
}

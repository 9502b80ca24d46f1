import type { SqlParameter } from "../sql/parameters.ts";

export type Status = "SUBMITTED" | "PICKED" | "STARTED" | "FINISHED" | "FAILED" | "ABORTED";

/** One SQL text of a request: the whole of ExecuteStatement, or one of a batch. */
export interface Part {
  readonly sql: string;
  status: Status;
  error: string | undefined;
  createdAtMs: number;
  updatedAtMs: number;
  durationNs: number;
  /** Returned, loaded or changed; -1 where that means nothing. */
  resultRows: number;
  resultSize: number;
  hasResultSet: boolean;
  queryId: number;
}

/** A submitted statement or batch, as it is kept for 24 hours. Plain JSON. */
export interface StatementRecord {
  readonly id: string;
  readonly batch: boolean;
  readonly parts: Part[];
  readonly parameters: readonly SqlParameter[];
  readonly autoCommit: boolean;
  readonly database: string;
  readonly workgroup: string | undefined;
  readonly cluster: string | undefined;
  readonly dbUser: string | undefined;
  readonly secretArn: string | undefined;
  readonly name: string | undefined;
  readonly clientToken: string | undefined;
  readonly createdAtMs: number;
  status: Status;
  error: string | undefined;
  updatedAtMs: number;
  durationNs: number;
}

export function isTerminal(status: Status): boolean {
  return status === "FINISHED" || status === "FAILED" || status === "ABORTED";
}

/** Batches give their parts ids `uuid:1` to `uuid:n`; a single statement has its own. */
export function partId(record: StatementRecord, index: number): string {
  return record.batch ? `${record.id}:${index + 1}` : record.id;
}

export function newPart(sql: string, nowMs: number, queryId: number): Part {
  return {
    sql,
    status: "SUBMITTED",
    error: undefined,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    durationNs: 0,
    resultRows: -1,
    resultSize: -1,
    hasResultSet: false,
    queryId,
  };
}

import { randomUUID } from "node:crypto";
import { bindParameters } from "../sql/parameters.ts";
import { tokenize } from "../sql/tokens.ts";
import type { Executor } from "../statements/executor.ts";
import {
  isTerminal,
  newPart,
  partId,
  type Part,
  type StatementRecord,
} from "../statements/record.ts";
import type { ResultFiles } from "../statements/results.ts";
import type { StatementStore } from "../statements/store.ts";
import { ApiError, notFound, validation } from "./errors.ts";
import { checkSubmission, type Input, type Submission } from "./input.ts";

/** The service's quota of statements that have not ended. */
const ACTIVE_MAX = 500;

export interface Service {
  readonly store: StatementStore;
  readonly executor: Executor;
  readonly results: ResultFiles;
  readonly database: string;
}

/** What a call answers: an object, or JSON text that is ready. */
export type Answer = Readonly<Record<string, unknown>> | string;

let lastQueryId = Math.floor(Date.now() / 1000);

export async function submit(
  service: Service,
  input: Submission,
  signal: AbortSignal,
): Promise<Answer> {
  checkSubmission(input);
  const record = (await existing(service, input)) ?? (await admit(service, input));
  const waitMs = (input.WaitTimeSeconds ?? 0) * 1000;
  await service.store.waitForEnd(record.id, waitMs, signal);
  const now = waitMs > 0 ? ((await service.store.find(record.id)) ?? record) : record;
  return {
    Id: record.id,
    CreatedAt: seconds(record.createdAtMs),
    ClusterIdentifier: record.cluster,
    Database: record.database,
    DbUser: record.dbUser,
    SecretArn: record.secretArn,
    WorkgroupName: record.workgroup,
    ...(waitMs > 0
      ? { Status: now.status, HasResultSet: hasResultSet(now), RedshiftPid: process.pid }
      : {}),
  };
}

export async function describe(
  service: Service,
  input: Input<"DescribeStatement">,
  signal: AbortSignal,
): Promise<Answer> {
  const [id = ""] = input.Id.split(":");
  await service.store.waitForEnd(id, (input.WaitTimeSeconds ?? 0) * 1000, signal);
  const { record, index } = await lookUp(service, input.Id);
  const [first] = record.parts;
  const part = index === undefined ? undefined : record.parts[index];
  const single = record.batch ? part : first;
  return {
    Id: input.Id,
    ClusterIdentifier: record.cluster,
    CreatedAt: seconds(record.createdAtMs),
    Database: record.database,
    DbUser: record.dbUser,
    Duration: part?.durationNs ?? record.durationNs,
    Error: part?.error ?? record.error,
    ExecutionMode: record.batch ? (record.autoCommit ? "AUTO_COMMIT" : "TRANSACTION") : undefined,
    HasResultSet: part?.hasResultSet ?? hasResultSet(record),
    QueryParameters: record.parameters.length > 0 ? record.parameters : undefined,
    QueryString: single?.sql,
    RedshiftPid: process.pid,
    RedshiftQueryId: single?.queryId ?? first?.queryId,
    ResultFormat: "JSON",
    ResultRows: single?.resultRows ?? -1,
    ResultSize: single?.resultSize ?? -1,
    SecretArn: record.secretArn,
    Status: part?.status ?? record.status,
    SubStatements:
      record.batch && !part
        ? record.parts.map((one, at) => subStatement(record, one, at))
        : undefined,
    UpdatedAt: seconds(part?.updatedAtMs ?? record.updatedAtMs),
    WorkgroupName: record.workgroup,
  };
}

export async function cancel(service: Service, input: Input<"CancelStatement">): Promise<Answer> {
  const { record, index } = await lookUp(service, input.Id);
  if (index !== undefined && record.batch) {
    throw validation("A sub-statement of a batch cannot be cancelled; cancel the batch.");
  }
  if (isTerminal(record.status)) {
    throw validation(
      `Could not cancel a query that is already in ${record.status} state with ID: ${record.id}`,
    );
  }
  return { Status: await service.executor.cancel(record) };
}

export async function result(
  service: Service,
  input: Input<"GetStatementResult">,
  signal: AbortSignal,
): Promise<Answer> {
  const [id = ""] = input.Id.split(":");
  await service.store.waitForEnd(id, (input.WaitTimeSeconds ?? 0) * 1000, signal);
  const { record, index } = await lookUp(service, input.Id);
  if (record.batch && index === undefined) {
    throw validation("Cannot get the result of a batch; ask for one of its sub-statements.");
  }
  const place = index ?? 0;
  const part = record.parts[place];
  if (record.status !== "FINISHED" || !part) {
    throw new ApiError(
      "ResourceNotFoundException",
      400,
      `Query does not have result. Please check query status with DescribeStatement. It is ${record.status}.`,
      { ResourceId: input.Id },
    );
  }
  const head = part.hasResultSet ? await service.results.head(partId(record, place)) : undefined;
  if (!head) {
    throw new ApiError(
      "ResourceNotFoundException",
      400,
      "Query does not have result. Please check query status with DescribeStatement.",
      { ResourceId: input.Id },
    );
  }
  const page = pageOf(input.NextToken, input.Id, head.pages);
  const records = await service.results.page(partId(record, place), page);
  const next = page + 1 < head.pages ? tokenOf(input.Id, page + 1) : undefined;
  const rest = JSON.stringify({
    ColumnMetadata: head.columns,
    TotalNumRows: head.rows,
    NextToken: next,
  });
  return `{"Records":${records},${rest.slice(1)}`;
}

export async function list(service: Service, input: Input<"ListStatements">): Promise<Answer> {
  const wanted = input.Status ?? "FINISHED";
  const matching = service.store
    .list()
    .filter(
      (entry) =>
        (wanted === "ALL" || entry.status === wanted) &&
        (input.StatementName === undefined ||
          (entry.name?.startsWith(input.StatementName) ?? false)),
    );
  const from = input.NextToken === undefined ? 0 : Number(input.NextToken);
  if (!Number.isSafeInteger(from)) throw validation("NextToken is not valid");
  const count = input.MaxResults === undefined || input.MaxResults === 0 ? 100 : input.MaxResults;
  const records = await Promise.all(
    matching.slice(from, from + count).map((entry) => service.store.find(entry.id)),
  );
  return {
    Statements: records.filter((record) => record !== undefined).map(summary),
    NextToken: from + count < matching.length ? String(from + count) : undefined,
  };
}

async function existing(service: Service, input: Submission): Promise<StatementRecord | undefined> {
  if (input.ClientToken === undefined) return undefined;
  const id = service.store.byToken(input.ClientToken);
  const record = id === undefined ? undefined : await service.store.find(id);
  if (record === undefined) return undefined;
  const sqls = sqlsOf(input);
  const same =
    record.parts.length === sqls.length && record.parts.every((part, i) => part.sql === sqls[i]);
  if (!same) {
    throw validation("ClientToken was already used in the last 8 hours with other parameters");
  }
  return record;
}

async function admit(service: Service, input: Submission): Promise<StatementRecord> {
  if (service.store.runningCount >= ACTIVE_MAX) {
    throw new ApiError(
      "ActiveStatementsExceededException",
      400,
      `Active statements exceeded the allowed quota (${ACTIVE_MAX}).`,
    );
  }
  checkParameters(input);
  if (input.Database !== service.database) {
    throw validation(`FATAL: database "${input.Database ?? ""}" does not exist`);
  }
  const record = newRecord(input);
  await service.store.add(record);
  service.executor.submit(record);
  return record;
}

/** Every parameter is used by at least one statement, and every name has a value. */
function checkParameters(input: Submission): void {
  const given = input.Parameters ?? [];
  const bound = sqlsOf(input).map((sql) => bindParameters(tokenize(sql), given));
  const missing = bound.flatMap(({ missing: names }) => [...names]);
  if (missing.length > 0) {
    throw validation(
      `Parameters list does not contain all parameters in the SQL: ${missing.join(", ")}`,
    );
  }
  const unused = given.filter(({ name }) => !bound.some(({ used }) => used.has(name)));
  if (unused.length > 0) {
    throw validation(
      `Parameters are not used in the SQL: ${unused.map(({ name }) => name).join(", ")}`,
    );
  }
}

function newRecord(input: Submission): StatementRecord {
  const now = Date.now();
  return {
    id: randomUUID(),
    batch: !("Sql" in input),
    parts: sqlsOf(input).map((sql) => newPart(sql, now, ++lastQueryId)),
    parameters: input.Parameters ?? [],
    autoCommit: "ExecutionMode" in input && input.ExecutionMode === "AUTO_COMMIT",
    database: input.Database ?? "",
    workgroup: input.WorkgroupName,
    cluster: input.ClusterIdentifier,
    dbUser: input.DbUser ?? "IAM:hybridge",
    secretArn: input.SecretArn,
    name: input.StatementName,
    clientToken: input.ClientToken,
    createdAtMs: now,
    status: "SUBMITTED",
    error: undefined,
    updatedAtMs: now,
    durationNs: 0,
  };
}

function sqlsOf(input: Submission): readonly string[] {
  return "Sql" in input ? [input.Sql] : input.Sqls;
}

async function lookUp(
  service: Service,
  id: string,
): Promise<{ record: StatementRecord; index: number | undefined }> {
  const [statement = "", part] = id.split(":");
  const record = await service.store.find(statement);
  const index = part === undefined ? undefined : Number(part) - 1;
  const exists = record && (index === undefined || (record.batch && record.parts[index]));
  if (!exists) throw notFound(id);
  return { record, index };
}

function subStatement(record: StatementRecord, part: Part, index: number): Answer {
  return {
    Id: partId(record, index),
    CreatedAt: seconds(part.createdAtMs),
    Duration: part.durationNs,
    Error: part.error,
    HasResultSet: part.hasResultSet,
    QueryString: part.sql,
    RedshiftQueryId: part.queryId,
    ResultRows: part.resultRows,
    ResultSize: part.resultSize,
    Status: part.status,
    UpdatedAt: seconds(part.updatedAtMs),
  };
}

function summary(record: StatementRecord): Answer {
  const [first] = record.parts;
  return {
    Id: record.id,
    CreatedAt: seconds(record.createdAtMs),
    IsBatchStatement: record.batch,
    QueryParameters: record.parameters.length > 0 ? record.parameters : undefined,
    QueryString: record.batch ? undefined : first?.sql,
    QueryStrings: record.batch ? record.parts.map((part) => part.sql) : undefined,
    ResultFormat: "JSON",
    SecretArn: record.secretArn,
    StatementName: record.name,
    Status: record.status,
    UpdatedAt: seconds(record.updatedAtMs),
  };
}

function hasResultSet(record: StatementRecord): boolean {
  return record.parts.some((part) => part.hasResultSet);
}

/** Timestamps of AWS JSON are seconds with a fraction. */
function seconds(ms: number): number {
  return ms / 1000;
}

function tokenOf(id: string, page: number): string {
  return Buffer.from(`${id} ${page}`).toString("base64url");
}

function pageOf(token: string | undefined, id: string, pages: number): number {
  if (token === undefined) return 0;
  const [owner, page] = Buffer.from(token, "base64url").toString().split(" ");
  const number = Number(page);
  if (owner !== id || !Number.isInteger(number) || number < 0 || number >= pages) {
    throw validation("NextToken is not valid");
  }
  return number;
}

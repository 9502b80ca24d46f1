import { z } from "zod";
import { validation } from "./errors.ts";

// Shapes, lengths and patterns of the service model, API version 2019-12-20.
const STATEMENT_BYTES_MAX = 100_000;
const BATCH_MAX = 40;
const ID = /^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\d+)?$/;

const sql = z.string().min(1);
const wait = z.int().min(1).max(30).optional();
const parameters = z
  .array(z.strictObject({ name: z.string().regex(/^[0-9a-zA-Z_]+$/), value: z.string().min(1) }))
  .min(1)
  .optional();

const submission = {
  ClientToken: z.string().min(1).max(64).optional(),
  ClusterIdentifier: z.string().min(1).max(63).optional(),
  Database: z.string().min(1).max(64).optional(),
  DbUser: z.string().min(1).optional(),
  Parameters: parameters,
  ResultFormat: z.enum(["JSON", "CSV"]).optional(),
  SecretArn: z.string().min(1).optional(),
  SessionId: z.string().regex(ID).optional(),
  SessionKeepAliveSeconds: z.int().min(0).max(86_400).optional(),
  StatementName: z.string().max(500).optional(),
  WaitTimeSeconds: wait,
  WithEvent: z.boolean().optional(),
  WorkgroupName: z.string().min(3).max(128).optional(),
};

export const inputs = {
  ExecuteStatement: z.strictObject({ Sql: sql, ...submission }),
  BatchExecuteStatement: z.strictObject({
    Sqls: z.array(sql).min(1).max(BATCH_MAX),
    ExecutionMode: z.enum(["TRANSACTION", "AUTO_COMMIT"]).optional(),
    ...submission,
  }),
  DescribeStatement: z.strictObject({ Id: z.string().regex(ID), WaitTimeSeconds: wait }),
  CancelStatement: z.strictObject({ Id: z.string().regex(ID) }),
  GetStatementResult: z.strictObject({
    Id: z.string().regex(ID),
    NextToken: z.string().max(1024).optional(),
    WaitTimeSeconds: wait,
  }),
  ListStatements: z.strictObject({
    ClusterIdentifier: z.string().optional(),
    Database: z.string().optional(),
    MaxResults: z.int().min(0).max(100).optional(),
    NextToken: z.string().max(1024).optional(),
    RoleLevel: z.boolean().optional(),
    StatementName: z.string().max(500).optional(),
    Status: z
      .enum(["SUBMITTED", "PICKED", "STARTED", "FINISHED", "ABORTED", "FAILED", "ALL"])
      .optional(),
    WorkgroupName: z.string().optional(),
  }),
} as const;

export type Operation = keyof typeof inputs;
export type Input<O extends Operation> = z.output<(typeof inputs)[O]>;
export type Submission = Input<"ExecuteStatement"> | Input<"BatchExecuteStatement">;

/** @throws ApiError ValidationException in the form of AWS: count, value, member, constraint */
export function parseInput<O extends Operation>(operation: O, body: unknown): Input<O> {
  const result = inputs[operation].safeParse(body);
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) =>
        `Value at '${memberOf(issue.path)}' failed to satisfy constraint: ${issue.message}`,
    );
    const count = `${problems.length} validation error${problems.length === 1 ? "" : "s"} detected`;
    throw validation(`${count}: ${problems.join("; ")}`);
  }
  return result.data as Input<O>;
}

/** Checks between members, which a shape cannot say. */
export function checkSubmission(input: Submission): void {
  const sqls = "Sql" in input ? [input.Sql] : input.Sqls;
  for (const text of sqls) {
    if (Buffer.byteLength(text) > STATEMENT_BYTES_MAX) {
      throw validation("Cannot process query string larger than 100kB");
    }
  }
  if (input.SessionId !== undefined || (input.SessionKeepAliveSeconds ?? 0) > 0) {
    throw validation("Sessions are not supported by this development endpoint yet.");
  }
  if (input.ClusterIdentifier !== undefined && input.WorkgroupName !== undefined) {
    throw validation("ClusterIdentifier and WorkgroupName cannot be given together");
  }
  if (input.ClusterIdentifier === undefined && input.WorkgroupName === undefined) {
    throw validation("ClusterIdentifier or WorkgroupName is required");
  }
  if (input.Database === undefined) throw validation("Database is required");
  if (input.ResultFormat === "CSV") {
    throw validation("ResultFormat CSV is not supported by this development endpoint yet.");
  }
}

function memberOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `${part + 1}.member`;
      return index === 0
        ? String(part).charAt(0).toLowerCase() + String(part).slice(1)
        : String(part);
    })
    .join(".");
}

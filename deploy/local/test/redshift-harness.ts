import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchExecuteStatementCommand,
  DescribeStatementCommand,
  ExecuteStatementCommand,
  GetStatementResultCommand,
  RedshiftDataClient,
  type DescribeStatementResponse,
  type Field,
} from "@aws-sdk/client-redshift-data";
import { readConfig } from "@hybridge/core";
import { redshiftSettings } from "../src/redshift/config.ts";
import { startRedshiftEndpoint, type RedshiftEndpoint } from "../src/redshift/endpoint.ts";

export const where = { WorkgroupName: "local", Database: "dev" } as const;
export const ENDED = new Set(["FINISHED", "FAILED", "ABORTED"]);

export function clientOf(url: string): RedshiftDataClient {
  return new RedshiftDataClient({
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
}

/** An endpoint in this process on a temporary folder, with the official client. */
export interface Harness extends AsyncDisposable {
  readonly client: RedshiftDataClient;
  readonly url: string;
  readonly directory: string;
  /** Closes the endpoint and opens it again on the same folder. */
  restart(): Promise<void>;
  execute(sql: string, parameters?: Record<string, string>): Promise<DescribeStatementResponse>;
  /** Runs as a user of the database. */
  as(user: string, sql: string): Promise<DescribeStatementResponse>;
  /** Runs and reads everything; a failed statement throws its error. */
  rows(sql: string, parameters?: Record<string, string>): Promise<unknown[][]>;
  /** The error of a statement that must fail. */
  errorOf(sql: string): Promise<string>;
  batch(sqls: string[]): Promise<DescribeStatementResponse>;
}

export async function openHarness(s3Endpoint?: string): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), "hybridge-redshift-"));
  const config = readConfig(redshiftSettings, {
    HYBRIDGE_REDSHIFT_DIR: directory,
    ...(s3Endpoint === undefined ? {} : { HYBRIDGE_S3_ENDPOINT: s3Endpoint }),
  });
  const emit = () => undefined;
  let endpoint: RedshiftEndpoint = await startRedshiftEndpoint(config, emit);
  let client = clientOf(endpoint.url);
  const harness = {
    directory,
    get client() {
      return client;
    },
    get url() {
      return endpoint.url;
    },
    async restart() {
      client.destroy();
      await endpoint[Symbol.asyncDispose]();
      endpoint = await startRedshiftEndpoint(config, emit);
      client = clientOf(endpoint.url);
    },
    async execute(sql: string, parameters?: Record<string, string>) {
      const { Id } = await client.send(
        new ExecuteStatementCommand({ ...where, Sql: sql, ...parametersOf(parameters) }),
      );
      return ended(client, Id);
    },
    async as(user: string, sql: string) {
      const who = { Database: "dev", ClusterIdentifier: "local", DbUser: user };
      const { Id } = await client.send(new ExecuteStatementCommand({ ...who, Sql: sql }));
      return ended(client, Id);
    },
    async rows(sql: string, parameters?: Record<string, string>) {
      const done = await harness.execute(sql, parameters);
      if (done.Status !== "FINISHED") throw new Error(`${sql}: ${done.Status} ${done.Error}`);
      return readRows(client, done.Id ?? "");
    },
    async errorOf(sql: string) {
      const done = await harness.execute(sql);
      if (done.Status !== "FAILED") throw new Error(`${sql}: was to fail, but is ${done.Status}`);
      return done.Error ?? "";
    },
    async batch(sqls: string[]) {
      const { Id } = await client.send(new BatchExecuteStatementCommand({ ...where, Sqls: sqls }));
      return ended(client, Id);
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await endpoint[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return harness;
}

export async function ended(
  client: RedshiftDataClient,
  id: string | undefined,
): Promise<DescribeStatementResponse> {
  for (;;) {
    const now = await client.send(new DescribeStatementCommand({ Id: id, WaitTimeSeconds: 20 }));
    if (ENDED.has(now.Status ?? "")) return now;
  }
}

/** Rows as plain values; int64 beyond 2^53 are bigints, decimals and times are texts. */
export async function readRows(client: RedshiftDataClient, id: string): Promise<unknown[][]> {
  const rows: unknown[][] = [];
  let token: string | undefined;
  do {
    const page = await client.send(new GetStatementResultCommand({ Id: id, NextToken: token }));
    for (const record of page.Records ?? []) rows.push(record.map(valueOf));
    token = page.NextToken;
  } while (token !== undefined);
  return rows;
}

function valueOf(field: Field): unknown {
  if (field.isNull === true) return null;
  return field.longValue ?? field.stringValue ?? field.booleanValue ?? field.doubleValue;
}

function parametersOf(parameters: Record<string, string> | undefined) {
  if (parameters === undefined) return {};
  return { Parameters: Object.entries(parameters).map(([name, value]) => ({ name, value })) };
}

import { join } from "node:path";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { FlushEncoder, FlushRecord, TableStore } from "@hybridge/landing";
import { startRedshift, startS3, type Redshift as LocalRedshift, type S3 } from "@hybridge/local";
import { flushEncoder } from "@hybridge/parquet";
import { openS3, s3TableStore } from "@hybridge/s3";
import { postAt } from "@hybridge/tweet";
import {
  checkRedshift,
  openRedshift,
  type CheckResult,
  type Redshift,
  type RedshiftParameters,
} from "../src/index.ts";

const signal = new AbortController().signal;
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const region = "us-east-1";
const EPOCH_MS = Date.UTC(2026, 10, 23, 9);

/**
 * A record's value: the generated post with this index, the deletion of it, a post of an author, or
 * the deletion of the author's account.
 */
export type Content = (
  | { readonly post: number }
  | { readonly deletionOf: number }
  | { readonly postOf: string; readonly id: string }
  | { readonly accountOf: string }
) & {
  /** Seconds after the first record that its timestamp says; default: its offset in ms. */
  readonly atS?: number;
};

/** S3Mock, the local Redshift endpoint, and what lands files in them. */
export interface Warehouse extends AsyncDisposable {
  readonly s3: S3;
  readonly endpoint: LocalRedshift;
  readonly encoder: FlushEncoder;
  /** The folder of a table in S3. */
  readonly table: TableStore;
  readonly directory: string;
  readonly redshift: Redshift;
  /** Runs the check that people run on a real warehouse. */
  check(
    schema: string | undefined,
    report: (result: CheckResult) => void,
    store?: TableStore,
  ): Promise<boolean>;
  /** Rows as objects by column name; nulls are null. */
  query(sql: string, parameters?: RedshiftParameters): Promise<Record<string, unknown>[]>;
}

export async function openWarehouse(): Promise<Warehouse> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "hybridge-load-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const s3 = stack.use(await startS3({ dir: join(directory, "s3"), buckets: ["cloud"] }));
  const s3Endpoint = s3.addresses.endpoint;
  const endpoint = stack.use(await startRedshift({ dir: join(directory, "redshift"), s3Endpoint }));
  const client = stack.use(openS3({ endpoint: s3Endpoint, region, credentials }));
  const redshift = stack.use(
    openRedshift({
      endpoint: endpoint.addresses.endpoint,
      region,
      credentials,
      workgroup: "local",
      database: "dev",
      timeouts: { lostMs: 500 },
    }),
  );
  const encoder = stack.use(
    await flushEncoder({
      stagingDirectory: join(directory, "flushes"),
      compression: "snappy",
      split: true,
    }),
  );
  const table = s3TableStore(client, { bucket: "cloud", prefix: "table" });
  const owned = stack.move();
  return {
    s3,
    endpoint,
    encoder,
    directory,
    redshift,
    table,
    check: (schema, report, store = table) =>
      checkRedshift({
        redshift,
        store,
        encoder,
        signal,
        report,
        ...(schema === undefined ? {} : { schema }),
      }),
    query: (sql, parameters = {}) => query(redshift, sql, parameters),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function recordOf(offset: bigint, content: Content): FlushRecord {
  const timestampMs = EPOCH_MS + (content.atS === undefined ? Number(offset) : content.atS * 1000);
  const { key, value, schema, isDeletion } = said(content, new Date(timestampMs).toISOString());
  const headers: [string, Buffer][] = [["hybridge-schema", Buffer.from(schema)]];
  if (isDeletion) headers.push(["hybridge-op", Buffer.from("delete")]);
  return { offset, timestampMs, key: Buffer.from(key), value: Buffer.from(value), headers };
}

function said(content: Content, at: string) {
  if ("post" in content) {
    const { id, json, schema } = postAt(1, content.post, EPOCH_MS);
    return { key: id, value: json, schema, isDeletion: false };
  }
  const schema = "x.v2";
  if ("postOf" in content) {
    const { id, postOf } = content;
    const data = { id, author_id: postOf, text: "hello", created_at: at };
    return { key: id, value: JSON.stringify({ data }), schema, isDeletion: false };
  }
  if ("accountOf" in content) {
    const account = { user_delete: { user: { id: content.accountOf }, event_at: at } };
    const key = `account:${content.accountOf}`;
    return { key, value: JSON.stringify(account), schema, isDeletion: true };
  }
  const { id } = postAt(1, content.deletionOf, EPOCH_MS);
  const deletion = {
    delete: {
      tweet: { id },
      event_at: content.atS === undefined ? "2026-11-23T10:00:00.000Z" : at,
    },
  };
  return { key: id, value: JSON.stringify(deletion), schema, isDeletion: true };
}

async function query(
  redshift: Redshift,
  sql: string,
  parameters: RedshiftParameters,
): Promise<Record<string, unknown>[]> {
  const result = await redshift.execute(sql, { signal, parameters });
  const rows: Record<string, unknown>[] = [];
  for await (const batch of result.batches) {
    for (let row = 0; row < batch.rowCount; row += 1) {
      const cells = batch.columns.map(({ values, nullRows }, index) => [
        result.columns[index]?.name ?? "",
        nullRows.includes(row) ? null : values[row],
      ]);
      rows.push(Object.fromEntries(cells) as Record<string, unknown>);
    }
  }
  return rows;
}

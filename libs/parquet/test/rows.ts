import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { Encoded, FlushRecord, LocalFile } from "@hybridge/landing";
import { columns, headerNames, rowOf, type Column, type TweetRow } from "@hybridge/tweet";

export const EPOCH = Date.UTC(2026, 10, 23, 9);
export const AT = { topic: "hybrid", topicId: "c2VsZi1tYWRlLXRvcGljLWlk", partition: 3 };

export function record(offset: number, value: Buffer | string | null): FlushRecord {
  return {
    offset: BigInt(offset),
    timestampMs: EPOCH + 1_234,
    timestampType: "create",
    key: Buffer.from(String(offset)),
    value: value === null ? null : Buffer.from(value),
    headers: [
      [headerNames.source, Buffer.from("replay")],
      [
        headerNames.traceparent,
        Buffer.from("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
      ],
    ],
  };
}

export interface Reader extends AsyncDisposable {
  /** Rows of files, in their order, with the path of each as `filename`. */
  rows(...paths: string[]): Promise<Record<string, unknown>[]>;
}

/** Reads Parquet with a DuckDB of its own. */
export async function openReader(): Promise<Reader> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection: DuckDBConnection = await instance.connect();
  return {
    async rows(...paths) {
      const list = paths.map((path) => `'${path}'`).join(", ");
      const from = `read_parquet([${list}], filename = true, hive_partitioning = false)`;
      const names = (await connection.runAndReadAll(`FROM ${from} LIMIT 0`)).columnNames();
      // Text as bytes: the client's own decoder leaves a byte order mark out.
      const selected = names.map((name) =>
        isText(name) ? `encode("${name}") AS "${name}"` : `"${name}"`,
      );
      const reader = await connection.runAndReadAll(`SELECT ${selected.join(", ")} FROM ${from}`);
      return reader.getRowObjects().map(plain);
    },
    [Symbol.asyncDispose]() {
      connection.closeSync();
      instance.closeSync();
      return Promise.resolve();
    },
  };
}

function isText(name: string): boolean {
  return columns.some((each) => each.name === name && each.kind === "text");
}

/** As rowOf has values: times as ms, bytes as Buffer. */
function plain(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value === null || typeof value !== "object") return [name, value];
      if ("micros" in value) return [name, Number((value.micros as bigint) / 1_000n)];
      if ("bytes" in value) {
        const bytes = Buffer.from(value.bytes as Uint8Array);
        return [name, isText(name) ? bytes.toString("utf8") : bytes];
      }
      throw new TypeError(`${name} has a value of an unknown kind`);
    }),
  );
}

export function expectedRow(from: FlushRecord, landedAtMs: number): TweetRow | undefined {
  const result = rowOf(from, { ...AT, landedAtMs });
  return result.ok ? result.row : undefined;
}

export function assertRow(row: Record<string, unknown>, expected: TweetRow): void {
  const names: readonly Column[] = columns;
  for (const { name } of names) {
    const wanted = expected[name as keyof TweetRow];
    if (row[name] !== wanted) {
      assert.deepEqual(row[name], wanted, `${name} of ${expected.raw ?? "nothing"}`);
    }
  }
}

export async function assertDigest(file: LocalFile): Promise<void> {
  const bytes = await readFile(file.localPath);
  assert.equal(bytes.length, file.bytes);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256);
}

/** What was encoded is exactly what rowOf makes of the records, each once, and nothing else. */
export async function assertEncoded(
  encoded: Encoded,
  records: readonly FlushRecord[],
  landedAtMs: number,
  reader: Reader,
): Promise<void> {
  const rows = new Map<bigint, Record<string, unknown>>();
  const files = new Map(encoded.files.map((file) => [file.localPath, file]));
  for (const row of files.size === 0 ? [] : await reader.rows(...files.keys())) {
    const offset = row["kafka_offset"] as bigint;
    assert.ok(!rows.has(offset), `offset ${offset} twice`);
    rows.set(offset, row);
    const iso = new Date(row["event_time"] as number).toISOString();
    const file = files.get(String(row["filename"]));
    assert.equal(iso.slice(0, 13), `${file?.dt}T${file?.hr}`);
  }
  const dead = new Map(encoded.deadLetters.map((letter) => [letter.offset, letter]));
  for (const each of records) {
    const expected = expectedRow(each, landedAtMs);
    const row = rows.get(each.offset);
    if (expected === undefined) {
      const letter = dead.get(each.offset);
      assert.ok(letter && row === undefined, `offset ${each.offset} is no dead letter`);
      const { topicId, timestampMs, key, value, headers } = letter;
      assert.deepEqual(
        { topicId, timestampMs, key, value, headers },
        {
          topicId: AT.topicId,
          timestampMs: each.timestampMs,
          key: each.key,
          value: each.value,
          headers: each.headers,
        },
      );
    } else {
      assert.ok(row, `offset ${each.offset} is missing`);
      assertRow(row, expected);
    }
  }
  assert.equal(rows.size + dead.size, records.length);
}

import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { setImmediate as breathe } from "node:timers/promises";
import type { Cut, DeadLetter, LandingRecord } from "@hybridge/landing";
import { columns, partitionOf, rowOf, type TweetRow } from "@hybridge/tweet";

/** The rows of one hour, as newline-delimited JSON that DuckDB reads. */
export interface RowFile {
  readonly dt: string;
  readonly hr: string;
  readonly path: string;
  rows: number;
}

/**
 * The most bytes of a record's value: what the VARBYTE of Redshift's staging table takes (AWS:
 * "VARBYTE data type"). Both sides use it, so that both have the same posts.
 */
const RAW_BYTES_MAX = 1_024_000;
/** Records between two breaths, so that the process answers requests while it encodes. */
const SLICE_RECORDS = 256;
/** Text that is collected before it goes to a file. */
const CHUNK_CHARACTERS = 262_144;

const LONG_COLUMNS = columns.filter((column) => column.kind === "long").map(({ name }) => name);

/** Writes the rows of a cut to one file per hour; what cannot be a row becomes a dead letter. */
export async function writeRowFiles(
  cut: Cut,
  records: readonly LandingRecord[],
  directory: string,
  signal: AbortSignal,
): Promise<{ readonly files: readonly RowFile[]; readonly deadLetters: readonly DeadLetter[] }> {
  const hours = new Map<string, OpenRowFile>();
  const deadLetters: DeadLetter[] = [];
  const { topic, partition } = cut;
  try {
    for (const [index, record] of records.entries()) {
      if (index % SLICE_RECORDS === 0) {
        await breathe();
        signal.throwIfAborted();
      }
      const result = resultOf(record, cut);
      if (!result.ok) {
        const { offset, key, value, headers } = record;
        deadLetters.push({ topic, partition, offset, reason: result.reason, key, value, headers });
        continue;
      }
      const { dt, hr } = partitionOf(result.row);
      const hour = `${dt}-${hr}`;
      const file = hours.get(hour) ?? openRowFile(dt, hr, join(directory, `${hour}.ndjson`));
      hours.set(hour, file);
      await appendLine(file, lineOf(result.row));
    }
    for (const file of hours.values()) await close(file);
  } finally {
    for (const { stream } of hours.values()) stream.destroy();
  }
  const files = [...hours.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, deadLetters };
}

function resultOf(record: LandingRecord, cut: Cut) {
  const bytes = record.value?.length ?? 0;
  if (bytes > RAW_BYTES_MAX) {
    const reason = `TOO_LARGE: ${bytes} bytes, at most ${RAW_BYTES_MAX} can be a row`;
    return { ok: false, reason } as const;
  }
  const result = rowSafely(record, cut);
  return result.ok ? result : ({ ok: false, reason: `${result.code}: ${result.reason}` } as const);
}

/**
 * rowOf throws nothing. Were that ever wrong for some record, its partition would stop for good, as
 * each start repeats the open cut: then the record is a dead letter too, with the error's name alone,
 * since its words may differ between versions.
 */
function rowSafely(record: LandingRecord, { topic, partition, decidedAtMs }: Cut) {
  try {
    return rowOf(record, { topic, partition, landedAtMs: decidedAtMs });
  } catch (error) {
    const reason = `reading it failed: ${error instanceof Error ? error.name : "no error"}`;
    return { ok: false, code: "FAILED", reason } as const;
  }
}

function lineOf(row: TweetRow): string {
  const plain: Record<string, unknown> = { ...row };
  // JSON has no 64-bit integers: they go as text, and DuckDB casts them.
  for (const name of LONG_COLUMNS) {
    const value = plain[name];
    if (typeof value === "bigint") plain[name] = value.toString();
  }
  plain["kafka_key"] = row.kafka_key && Buffer.from(row.kafka_key).toString("base64");
  return `${JSON.stringify(plain)}\n`;
}

interface OpenRowFile extends RowFile {
  readonly stream: WriteStream;
  readonly failed: Promise<never>;
  chunk: string[];
  size: number;
}

function openRowFile(dt: string, hr: string, path: string): OpenRowFile {
  const stream = createWriteStream(path);
  const failed = new Promise<never>((_, reject) => stream.once("error", reject));
  // Awaited together with each write; until then it must not count as unhandled.
  failed.catch(() => undefined);
  return { dt, hr, path, rows: 0, stream, failed, chunk: [], size: 0 };
}

async function appendLine(file: OpenRowFile, line: string): Promise<void> {
  file.rows += 1;
  file.chunk.push(line);
  file.size += line.length;
  if (file.size < CHUNK_CHARACTERS) return;
  const text = file.chunk.join("");
  file.chunk = [];
  file.size = 0;
  if (!file.stream.write(text)) await Promise.race([once(file.stream, "drain"), file.failed]);
}

async function close(file: OpenRowFile): Promise<void> {
  file.stream.end(file.chunk.join(""));
  await Promise.race([once(file.stream, "close"), file.failed]);
}

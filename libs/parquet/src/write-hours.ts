import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Semaphore } from "@hybridge/core";
import type { Encoded, FlushFile, LocalFile } from "@hybridge/landing";
import { quoted, runStatement } from "./duckdb.ts";
import { ParquetError, ParquetMemoryError } from "./errors.ts";
import type { HourRows, RowBuffer } from "./row-buffer.ts";
import { HOUR_COLUMN } from "./row-layout.ts";
import type { RowSource } from "./row-source.ts";
import { selectRows, type FilePart } from "./select-rows.ts";
import type { Staging } from "./staging.ts";

/** What encoding works with, the same for every flush. */
export interface EncodeTools {
  readonly connection: DuckDBConnection;
  /** The connection runs one thing at a time. */
  readonly turns: Semaphore;
  readonly staging: Staging;
  readonly source: RowSource;
  readonly compression: "zstd" | "snappy";
  readonly isSplit: boolean;
}

/** One flush that is being written. */
export interface EncodeJob {
  readonly tools: EncodeTools;
  readonly buffer: RowBuffer;
  readonly order: Int32Array;
  readonly landedAtMs: number;
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** The files of a flush, without a way to make others of them. */
export type EncodedFiles = Omit<Encoded, "without">;

/** A file without what only reading it back tells. */
export type WrittenHour = Omit<FlushFile, "ranges">;

/** Bytes of values in a row group, about: DuckDB holds several times as much until it is written. */
export const ROW_GROUP_BYTES = 4_194_304;
const ROW_GROUP_ROWS_MAX = 122_880;

/** Level 1 of zstd takes 40% of the time of level 3, its default, for 5% more bytes of posts. */
export const COMPRESSION = {
  zstd: "COMPRESSION zstd, COMPRESSION_LEVEL 1",
  snappy: "COMPRESSION snappy",
} as const;

/**
 * Hours with few rows go to their files by one statement: planning one costs more than writing a
 * small file. DuckDB takes half a megabyte for each file of a statement, and holds it open.
 */
const FEW_ROWS = 256;
const FEW_BYTES = 262_144;
const HOURS_AT_ONCE = 32;

/** Writes the files of hours, in their order. */
export async function writeHours(
  job: EncodeJob,
  hours: readonly HourRows[],
): Promise<WrittenHour[]> {
  const written: WrittenHour[] = [];
  for (const group of groupsOf(job, hours)) written.push(...(await writeGroup(job, group)));
  return written;
}

/** Where DuckDB has no room for so many files at once, one half after the other. */
async function writeGroup(job: EncodeJob, group: readonly HourRows[]): Promise<WrittenHour[]> {
  const { isSplit, compression } = job.tools;
  try {
    const main = await writePart(job, group, isSplit ? "typed" : "whole", compression);
    const raw = isSplit ? await writePart(job, group, "raw", "zstd") : [];
    return group.map((rows, index) => hourOfFiles(rows, main[index], raw[index]));
  } catch (error) {
    if (!(error instanceof ParquetMemoryError) || group.length === 1) throw error;
    const half = Math.ceil(group.length / 2);
    return [
      ...(await writeGroup(job, group.slice(0, half))),
      ...(await writeGroup(job, group.slice(half))),
    ];
  }
}

function hourOfFiles(
  { hour, from, to }: HourRows,
  main: LocalFile | undefined,
  raw: LocalFile | undefined,
): WrittenHour {
  const [dt, hr] = [dayOf(hour), hourOf(hour)];
  if (main === undefined) throw new ParquetError(`no file was written of ${dt} ${hr}`);
  return { ...main, ...(raw === undefined ? {} : { raw }), dt, hr, rows: to - from };
}

/** Neighbours with few rows together, others alone. */
function groupsOf(job: EncodeJob, hours: readonly HourRows[]): HourRows[][] {
  const groups: HourRows[][] = [];
  let open: HourRows[] | undefined;
  for (const each of hours) {
    if (!isSmall(job, each)) {
      groups.push([each]);
      open = undefined;
    } else if (open === undefined || open.length === HOURS_AT_ONCE) {
      open = [each];
      groups.push(open);
    } else open.push(each);
  }
  return groups;
}

function isSmall({ buffer, order }: EncodeJob, { from, to }: HourRows): boolean {
  if (to - from > FEW_ROWS) return false;
  let bytes = 0;
  for (let place = from; place < to; place++) bytes += buffer.valueBytes(order[place] ?? 0);
  return bytes <= FEW_BYTES;
}

/** One part of the rows of a group, a file an hour. */
async function writePart(
  job: EncodeJob,
  group: readonly HourRows[],
  part: FilePart,
  compression: "zstd" | "snappy",
): Promise<LocalFile[]> {
  const { tools, buffer, order, landedAtMs, directory, signal } = job;
  const from = group[0]?.from ?? 0;
  const to = group.at(-1)?.to ?? 0;
  const isAlone = group.length === 1;
  const name = `${dayOf(group[0]?.hour ?? 0)}-${hourOf(group[0]?.hour ?? 0)}-${part}`;
  const target = join(directory, isAlone ? `${name}.parquet` : name);
  const number = tools.source.offer({ buffer, order, from, to });
  try {
    const rows = selectRows(part, number, landedAtMs, !isAlone);
    const size = groupRows(buffer, order, from, to);
    const options = `FORMAT parquet, ${COMPRESSION[compression]}, ROW_GROUP_SIZE ${size}`;
    const by = isAlone ? "" : `, PARTITION_BY (${HOUR_COLUMN.name})`;
    const sql = `COPY (${rows}) TO ${quoted(target)} (${options}${by})`;
    const [result] = await runStatement(tools.connection, sql, `write ${target}`, signal);
    const count = Number(result?.["Count"]);
    if (count !== to - from) {
      throw new ParquetError(`wrote ${count} rows of ${to - from} to ${target}: nothing is kept`);
    }
  } catch (error) {
    // A try with fewer hours has the same first one, and so the same folder.
    await rm(target, { recursive: true, force: true });
    throw error;
  } finally {
    tools.source.forget(number);
  }
  const files: LocalFile[] = [];
  for (const { hour } of group) {
    const path = isAlone ? target : join(target, `${HOUR_COLUMN.name}=${hour}`, "data_0.parquet");
    files.push(await described(path, signal));
  }
  return files;
}

/** So few rows that no run of so many has more bytes than a row group may: the largest stand together. */
function groupRows(buffer: RowBuffer, order: Int32Array, from: number, to: number): number {
  let least = ROW_GROUP_ROWS_MAX;
  let bytes = 0;
  let first = from;
  for (let place = from; place < to; place++) {
    bytes += buffer.valueBytes(order[place] ?? 0);
    while (bytes > ROW_GROUP_BYTES && first < place) {
      least = Math.min(least, place - first);
      bytes -= buffer.valueBytes(order[first] ?? 0);
      first += 1;
    }
  }
  return least;
}

/** Files of this size are read at once. */
const SMALL_BYTES = 1_048_576;

export async function described(localPath: string, signal: AbortSignal): Promise<LocalFile> {
  const { size: bytes } = await stat(localPath);
  if (bytes <= SMALL_BYTES) {
    const sha256 = hash("sha256", await readFile(localPath, { signal }), "hex");
    return { localPath, bytes, sha256 };
  }
  const sha256 = createHash("sha256");
  const content = createReadStream(localPath, { highWaterMark: SMALL_BYTES });
  await pipeline(content, sha256, { signal });
  return { localPath, bytes, sha256: sha256.digest("hex") };
}

function dayOf(hour: number): string {
  return new Date(hour * 3_600_000).toISOString().slice(0, 10);
}

function hourOf(hour: number): string {
  return new Date(hour * 3_600_000).toISOString().slice(11, 13);
}

import { link, rm } from "node:fs/promises";
import { join } from "node:path";
import { HybridgeError, isAbort } from "@hybridge/core";
import type { EncodedPartition, FlushFile, LocalFile } from "@hybridge/landing";
import { quoted, runStatement } from "./duckdb.ts";
import { parquetError, ParquetError } from "./errors.ts";
import { keyOf } from "./row-buffer.ts";
import {
  COMPRESSION,
  described,
  ROW_GROUP_BYTES,
  type EncodedFiles,
  type EncodeTools,
} from "./write-hours.ts";

/** Rows without raw bytes are short: so many take no memory to speak of. */
const TYPED_GROUP_ROWS = 2_048;

/**
 * The files of a flush without the rows of some partitions, which others have landed meanwhile. They
 * are made of the files, in their order: the buffer holds the next flush already.
 */
export async function leaveOut(
  tools: EncodeTools,
  encoded: EncodedFiles,
  partitions: readonly EncodedPartition[],
  signal: AbortSignal,
): Promise<EncodedFiles> {
  signal.throwIfAborted();
  const unwanted = new Set(partitions.map(keyOf));
  const isWanted = (at: EncodedPartition) => !unwanted.has(keyOf(at));
  const directory = await tools.staging.folder();
  const job = { tools, directory, partitions, signal };
  try {
    const files: FlushFile[] = [];
    for (const [index, file] of encoded.files.entries()) {
      const ranges = file.ranges.filter(isWanted);
      if (ranges.length > 0) files.push(await rewritten(job, file, ranges, index));
    }
    return {
      files,
      deadLetters: encoded.deadLetters.filter(isWanted),
      partitions: encoded.partitions.filter(isWanted),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (error instanceof HybridgeError || isAbort(error, signal)) throw error;
    throw parquetError(`leave partitions out of files in ${directory}`, error);
  }
}

interface Job {
  readonly tools: EncodeTools;
  readonly directory: string;
  readonly partitions: readonly EncodedPartition[];
  readonly signal: AbortSignal;
}

/** @param ranges those that stay in it */
async function rewritten(
  job: Job,
  file: FlushFile,
  ranges: FlushFile["ranges"],
  index: number,
): Promise<FlushFile> {
  const { dt, hr, raw } = file;
  const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
  const part = (each: LocalFile) => rewrittenPart(job, file, each, rows, index);
  const beside = raw === undefined ? {} : { raw: await part(raw) };
  return { ...(await part(file)), ...beside, dt, hr, rows, ranges };
}

/** @param part the file itself or its raw sibling, whose rows stand in the same order */
async function rewrittenPart(
  job: Job,
  file: FlushFile,
  part: LocalFile,
  rows: number,
  index: number,
): Promise<LocalFile> {
  const { tools, directory, partitions, signal } = job;
  const kind = part === file ? "file" : "raw";
  const target = join(directory, `${index}-${kind}.parquet`);
  if (rows === file.rows) {
    await link(part.localPath, target);
    return { localPath: target, bytes: part.bytes, sha256: part.sha256 };
  }
  const unwanted = partitions.map(({ topic, topicId, partition }) => {
    const names = `kafka_topic = ${quoted(topic)} AND kafka_topic_id = ${quoted(topicId)}`;
    return `(${names} AND kafka_partition = ${partition})`;
  });
  const kept = `SELECT file_row_number FROM ${readNumbered(file)} WHERE NOT (${unwanted.join(" OR ")})`;
  const select =
    `SELECT * EXCLUDE (file_row_number) FROM ${readNumbered(part)} ` +
    `WHERE file_row_number IN (${kept})`;
  const hasRaw = part !== file || !tools.isSplit;
  const compression = COMPRESSION[part === file ? tools.compression : "zstd"];
  const size = hasRaw ? await groupRows(job, part) : TYPED_GROUP_ROWS;
  const sql = `COPY (${select}) TO ${quoted(target)} (FORMAT parquet, ${compression}, ROW_GROUP_SIZE ${size})`;
  const [result] = await runStatement(tools.connection, sql, `write ${target}`, signal);
  const count = Number(result?.["Count"]);
  if (count !== rows) {
    throw new ParquetError(`wrote ${count} rows of ${rows} to ${target}: nothing is kept`);
  }
  return await described(target, signal);
}

function readNumbered({ localPath }: LocalFile): string {
  return `read_parquet(${quoted(localPath)}, file_row_number = true, hive_partitioning = false)`;
}

/** So few rows that a group of the longest ones has no more bytes than a row group may. */
async function groupRows({ tools, signal }: Job, { localPath }: LocalFile): Promise<number> {
  const sql = `SELECT max(octet_length(encode(raw))) AS bytes FROM read_parquet(${quoted(localPath)}, hive_partitioning = false)`;
  const [longest] = await runStatement(tools.connection, sql, `read ${localPath}`, signal);
  return Math.max(1, Math.floor(ROW_GROUP_BYTES / Math.max(1, Number(longest?.["bytes"] ?? 0))));
}

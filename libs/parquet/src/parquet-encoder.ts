import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { HybridgeError, isAbort } from "@hybridge/core";
import {
  SegmentSchemaError,
  segmentFileName,
  type Cut,
  type EncodedFile,
  type EncodedSegment,
  type LandingRecord,
  type SegmentEncoder,
} from "@hybridge/landing";
import { columns } from "@hybridge/tweet";
import { openDatabase, quoted, type Database } from "./duckdb.ts";
import { parquetError } from "./errors.ts";
import { writeRowFiles, type RowFile } from "./row-files.ts";

export interface ParquetOptions {
  /** Where files wait until they are published; the encoder keeps a folder per partition there. */
  readonly stagingDirectory: string;
  readonly compression: "zstd" | "snappy";
  /** The most bytes of records in a segment; DuckDB's own memory follows. Default 16 MiB. */
  readonly segmentBytesMax?: number;
}

/** Of the rows in a file and of how they are written. A change of either needs a new one. */
const SCHEMA = "v3";

/** Rows of a Parquet row group, a multiple of DuckDB's vectors: its default needs 200 MB more. */
const ROW_GROUP_ROWS = 20_480;

/** A row in JSON with every character of the largest raw escaped, and the typed texts beside it. */
const ROW_JSON_BYTES_MAX = 4_194_304;

/** What DuckDB needs for itself, and as often a segment: read, columns, row group, compressed. */
const DUCKDB_BYTES = 134_217_728;
const SEGMENT_COPIES = 5;

/** An encoder that must be closed. */
export interface ParquetEncoder extends SegmentEncoder, AsyncDisposable {}

/**
 * Encodes segments as Parquet: the typed columns of @hybridge/tweet in their order, `raw` with the
 * exact original text last; one file per hour of event time. The same cut and records give the same
 * bytes with the same version of DuckDB. Values go to DuckDB as newline-delimited JSON on disk:
 * that holds no rows in memory and leaves the work to DuckDB's thread.
 *
 * @throws StagingFullError when the staging folder has no space; trying again is right
 */
export async function parquetEncoder(options: ParquetOptions): Promise<ParquetEncoder> {
  const database = await openDatabase(memoryLimitOf(options));
  return {
    schema: SCHEMA,
    encode: (cut, records, signal) => encode(database, options, cut, records, signal),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

function memoryLimitOf({ segmentBytesMax = 16_777_216 }: ParquetOptions): string {
  return `${Math.ceil((DUCKDB_BYTES + SEGMENT_COPIES * segmentBytesMax) / 1_000_000)}MB`;
}

async function encode(
  database: Database,
  options: ParquetOptions,
  cut: Cut,
  records: readonly LandingRecord[],
  signal: AbortSignal,
): Promise<EncodedSegment> {
  const range = `${cut.topic}/${cut.partition} ${cut.first}..${cut.last}`;
  if (cut.schema !== SCHEMA) {
    throw new SegmentSchemaError(
      `cannot repeat the cut ${range}: it was decided under schema ${cut.schema}, this version ` +
        `writes ${SCHEMA}. Let the version that decided it finish, then upgrade.`,
    );
  }
  // One folder per partition, emptied first: what a killed process left is gone with its repeat.
  const directory = join(options.stagingDirectory, `${cut.topic}-${cut.partition}`);
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    const { files, deadLetters } = await writeRowFiles(cut, records, directory, signal);
    const encoded: EncodedFile[] = [];
    for (const file of files) {
      encoded.push(await toParquet(database, options, cut, file, directory, signal));
      await rm(file.path);
    }
    return {
      files: encoded,
      deadLetters,
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (error instanceof HybridgeError || isAbort(error, signal)) throw error;
    throw parquetError(`encode ${range} in ${directory}`, error);
  }
}

async function toParquet(
  database: Database,
  { compression }: ParquetOptions,
  cut: Cut,
  { dt, hr, path, rows }: RowFile,
  directory: string,
  signal: AbortSignal,
): Promise<EncodedFile> {
  const name = segmentFileName(cut, "parquet");
  const localPath = join(directory, `${dt}-${hr}-${name}`);
  const select = `SELECT ${columns.map(selected).join(", ")} FROM ${source(path)}`;
  const target = `FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${ROW_GROUP_ROWS}`;
  const sql = `COPY (${select}) TO ${quoted(localPath)} (${target})`;
  await database.run(sql, `write ${localPath}`, signal);
  const { size } = await stat(localPath);
  const sha256 = await sha256Of(localPath, signal);
  return { name: `dt=${dt}/hr=${hr}/${name}`, localPath, dt, hr, rows, bytes: size, sha256 };
}

const JSON_TYPES = {
  text: "VARCHAR",
  integer: "INTEGER",
  long: "BIGINT",
  timestamp: "BIGINT",
  boolean: "BOOLEAN",
  binary: "VARCHAR",
};

function source(path: string): string {
  const types = columns.map(({ name, kind }) => `${quoted(name)}: '${JSON_TYPES[kind]}'`);
  return (
    `read_json(${quoted(path)}, format = 'newline_delimited', ` +
    `columns = {${types.join(", ")}}, maximum_object_size = ${ROW_JSON_BYTES_MAX})`
  );
}

/** Timestamps are wall clock in UTC without a zone: what Hive and Redshift mean by TIMESTAMP. */
function selected({ name, kind }: (typeof columns)[number]): string {
  if (kind === "timestamp") return `make_timestamp("${name}" * 1000) AS "${name}"`;
  return kind === "binary" ? `from_base64("${name}") AS "${name}"` : `"${name}"`;
}

async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest("hex");
}

import { createReadStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import type { EngineSession } from "../engine/engine.ts";
import { EngineError, type EngineFailure } from "../engine/protocol.ts";
import type { CopyCommand } from "../sql/copy-command.ts";
import { BYTES_CHECK } from "../sql/create-table.ts";
import { SqlRefused } from "../sql/refused.ts";
import { quoteLiteral, quoteName } from "../sql/tokens.ts";
import { isTooLong } from "../statements/messages.ts";
import { CopyFailed } from "./failed.ts";
import { jsonToCsv } from "./json.ts";
import { openParquetReader, type ParquetReader } from "./parquet.ts";
import { download, listSources, type SourceFile } from "./source.ts";
import { describeTarget, type TargetTable } from "./table.ts";
import { Turns } from "./turns.ts";

export interface CopierOptions {
  /** Where objects are on their way into the database. */
  readonly directory: string;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string;
}

/** COPYs that read files at once: each has a DuckDB. The others wait, not yet loading. */
const READING_MAX = 2;

/**
 * COPY from S3, inside the transaction of its statement: each object is fetched to disk, turned
 * into CSV there and sent to PostgreSQL from there, so that no object is ever held in memory.
 */
export interface Copier extends Disposable {
  /** @returns the rows loaded; @throws SqlRefused, CopyFailed, EngineError: nothing was loaded */
  copy(
    engine: EngineSession,
    copy: CopyCommand,
    statementId: string,
    signal: AbortSignal,
  ): Promise<number>;
  /** Writes a failed load into stl_load_errors, after its transaction is rolled back. */
  note(engine: EngineSession, failed: CopyFailed, statementId: string): Promise<void>;
}

export function createCopier(options: CopierOptions): Copier {
  const s3 =
    options.s3Endpoint === undefined
      ? undefined
      : new S3Client({
          endpoint: options.s3Endpoint,
          region: options.s3Region,
          forcePathStyle: true,
          credentials: {
            accessKeyId: "hybridge",
            secretAccessKey: "hybridge",
          },
        });
  const reading = new Turns(READING_MAX);
  return {
    async copy(engine, copy, statementId, signal) {
      if (!s3) throw new SqlRefused("COPY needs an object store: set HYBRIDGE_S3_ENDPOINT.");
      const target = await describeTarget(engine, copy);
      const sources = await listSources(s3, copy, signal);
      return load({ ...options, engine, s3, copy, target, signal, reading }, sources, statementId);
    },
    note,
    [Symbol.dispose]: () => s3?.destroy(),
  };
}

interface Load extends CopierOptions {
  readonly reading: Turns;
  readonly engine: EngineSession;
  readonly s3: S3Client;
  readonly copy: CopyCommand;
  readonly target: TargetTable;
  readonly signal: AbortSignal;
}

/**
 * All objects are read before the first is loaded: a COPY that waits for a table's lock must not hold
 * what another, which has the lock, waits for.
 */
async function load(
  job: Load,
  sources: readonly SourceFile[],
  statementId: string,
): Promise<number> {
  const folder = join(job.directory, statementId);
  await mkdir(folder, { recursive: true });
  try {
    const files = await job.reading.run(() => readAll(job, sources, folder));
    let rows = 0;
    if (job.copy.noLoad) return rows;
    for (const { source, csv } of files) {
      job.signal.throwIfAborted();
      rows += await loadCsv(job, source, csv);
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface ReadFile {
  readonly source: SourceFile;
  readonly csv: string;
}

async function readAll(
  job: Load,
  sources: readonly SourceFile[],
  folder: string,
): Promise<ReadFile[]> {
  job.signal.throwIfAborted();
  await using parquet =
    job.copy.format === "parquet" ? await openParquetReader(join(folder, "spill")) : undefined;
  const files: ReadFile[] = [];
  for (const [index, source] of sources.entries()) {
    job.signal.throwIfAborted();
    // Never two objects under one name: readers cache what they know of a file by its path.
    const object = join(folder, `${index}.object`);
    const csv = join(folder, `${index}.csv`);
    if (!(await download(job.s3, source, object, job.signal))) continue;
    await convert(job, parquet, { path: object, url: source.url }, csv);
    await rm(object);
    files.push({ source, csv });
  }
  return files;
}

async function convert(
  job: Load,
  parquet: ParquetReader | undefined,
  file: { readonly path: string; readonly url: string },
  csv: string,
): Promise<void> {
  const { copy, target, signal } = job;
  if (parquet) await parquet.toCsv(file, target.columns, copy.fillRecord, csv);
  else await jsonToCsv({ ...file, table: target.name }, copy, target.columns, csv, signal);
}

async function loadCsv(job: Load, source: SourceFile, path: string): Promise<number> {
  const { target, engine } = job;
  const columns = target.columns.map((column) => quoteName(column.name)).join(", ");
  try {
    const sql = `COPY ${target.sqlName} (${columns}) FROM STDIN (FORMAT csv)`;
    return await engine.load(sql, createReadStream(path), job.signal);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { failure } = error;
    const where = /line (\d+)(?:, column ([^:]+))?/.exec(failure.where ?? "");
    const reason = isTooLong(failure) ? "Value too long for character type" : failure.message;
    const place = {
      table: target.name,
      file: source.url,
      line: Number(where?.[1] ?? 0),
      column: where?.[2] ?? failure.column ?? checkedColumn(failure),
      reason,
    };
    throw new CopyFailed(
      `Load into table '${target.name}' failed. Check 'stl_load_errors' system table for details. ` +
        `(${source.url}, row ${place.line}, column ${place.column}: ${reason})`,
      place,
      { cause: error },
    );
  }
}

/** The check that stands for a byte length has the name of its column. */
function checkedColumn(failure: EngineFailure): string {
  return failure.constraint?.startsWith(BYTES_CHECK) === true
    ? failure.constraint.slice(BYTES_CHECK.length)
    : "";
}

async function note(engine: EngineSession, failed: CopyFailed, statementId: string): Promise<void> {
  const values = [statementId, failed.table, failed.file, failed.column, failed.reason].map(
    quoteLiteral,
  );
  const [query = "", table = "", file = "", column = "", reason = ""] = values;
  const code = failed.reason === "Value too long for character type" ? 1204 : 1207;
  await engine.run(
    `INSERT INTO redshift_compatibility.stl_load_errors
       (query, tbl, filename, line_number, colname, err_code, err_reason)
     VALUES (${query}, ${table}, ${file}, ${failed.line}, ${column}, ${code}, ${reason})`,
  );
}

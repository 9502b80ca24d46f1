import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Semaphore } from "@hybridge/core";
import type {
  ColumnList,
  Encoded,
  EncodeRequest,
  FlushBuffer,
  FlushEncoder,
} from "@hybridge/landing";
import { encodeRows } from "./encode-rows.ts";
import { ParquetError } from "./errors.ts";
import { leaveOut } from "./leave-out.ts";
import { RowBuffer, type SlabPool } from "./row-buffer.ts";
import { registerRowSource } from "./row-source.ts";
import { columnsOf } from "./select-rows.ts";
import { SLAB_BYTES, Slab } from "./slab.ts";
import { openStaging } from "./staging.ts";
import { hasKnownLayout } from "./string-views.ts";
import type { EncodedFiles, EncodeTools } from "./write-hours.ts";

export interface FlushEncoderOptions {
  /** Where files wait until they are published; each encoder has a folder of its own in it. */
  readonly stagingDirectory: string;
  /** Of the files; with `split` of those that COPY reads, and the raw files are zstd. */
  readonly compression: "zstd" | "snappy";
  /**
   * Two files an hour: one with what Redshift keeps, and one with the raw bytes and the rest of the
   * Kafka record, which only repairs read.
   */
  readonly split?: boolean;
  /** The most memory that DuckDB takes, in bytes. Default 128 MiB. */
  readonly memoryBytes?: number;
  /** Wall clock in ms, for folders that dead processes left. */
  readonly nowMs?: () => number;
}

/** Of what a file holds and of how it is written. Another list of columns needs another id. */
const LIST_ID = "posts.v3";
const MEMORY_BYTES = 134_217_728;
/** Slabs that are kept for the next buffer: those of two buffers of 48 MiB. */
const SLABS_KEPT = Math.ceil((2 * 50_331_648) / SLAB_BYTES);

/**
 * Turns records into Parquet with DuckDB: typed columns of @hybridge/tweet in their order, one file
 * per hour of event time. Records are kept as their bytes; JavaScript parses only unusual ones.
 *
 * @throws StagingFullError when the staging folder has no space; trying again is right
 */
export async function flushEncoder(options: FlushEncoderOptions): Promise<FlushEncoder> {
  if (!hasKnownLayout()) {
    const advice = "Install the version of @duckdb/node-api that package.json names.";
    throw new ParquetError(`this build of DuckDB keeps texts in another form. ${advice}`);
  }
  await using scope = new AsyncDisposableStack();
  const staging = scope.use(await openStaging(options.stagingDirectory, options.nowMs ?? Date.now));
  const connection = scope.adopt(await connect(options), (each) => {
    each.closeSync();
    return Promise.resolve();
  });
  const tools: EncodeTools = {
    connection,
    turns: new Semaphore(1),
    staging,
    source: registerRowSource(connection),
    compression: options.compression,
    isSplit: options.split === true,
  };
  const pool = slabPool();
  const columns: ColumnList = {
    id: tools.isSplit ? `${LIST_ID}-split` : LIST_ID,
    names: columnsOf(tools.isSplit ? "typed" : "whole").map(({ name }) => name),
  };
  const owned = scope.move();
  return {
    columns,
    open: () => openBuffer(tools, pool),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function connect({
  memoryBytes = MEMORY_BYTES,
}: FlushEncoderOptions): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", {
    // Rows come from one thread; a second one of DuckDB's would only wait.
    threads: "1",
    memory_limit: `${Math.ceil(memoryBytes / 1_000_000)}MB`,
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
    temp_directory: "",
  });
  return instance.connect();
}

function slabPool(): SlabPool {
  const free: Slab[] = [];
  return {
    take: () => free.pop() ?? new Slab(),
    give(slab) {
      if (free.length >= SLABS_KEPT) return;
      slab.clear();
      free.push(slab);
    },
  };
}

function withoutOthers(tools: EncodeTools, files: EncodedFiles): Encoded {
  return {
    ...files,
    async without(partitions, signal) {
      const left = () => leaveOut(tools, files, partitions, signal);
      return withoutOthers(tools, await tools.turns.run(left, signal));
    },
  };
}

function openBuffer(tools: EncodeTools, pool: SlabPool): FlushBuffer {
  const rows = new RowBuffer(pool);
  let encoding: Promise<EncodedFiles> | undefined;
  return {
    get bytes() {
      return rows.bytes;
    },
    get rows() {
      return rows.rows;
    },
    append: (at, records) => rows.append(at, records),
    drop: (partitions) => rows.drop(partitions),
    async encode(request: EncodeRequest) {
      encoding = tools.turns.run(() => encodeRows(tools, rows, request), request.signal);
      return withoutOthers(tools, await encoding);
    },
    async [Symbol.asyncDispose]() {
      // Its slabs are others' next: nothing may read them any more.
      await encoding?.catch(() => undefined);
      rows.clear();
    },
  };
}

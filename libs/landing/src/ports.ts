/** One Kafka partition. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A record as Kafka holds it. Buffers may be views of a larger one: copy what is kept. */
export interface LandingRecord {
  readonly offset: bigint;
  /** Milliseconds since 1970, as a consumer sees it. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/**
 * The decision that the records from `first` to `last` (inclusive source offsets of one partition)
 * become one segment. It is written down before anything of the segment is published, so that
 * whoever repeats it, repeats it to the byte. Plain JSON; offsets are decimal text there.
 */
export interface Cut extends TopicPartition {
  readonly first: bigint;
  readonly last: bigint;
  /** Wall clock of the decision; the landed_at of every row of the segment. */
  readonly decidedAtMs: number;
  /** Version of the row schema, part of every file name. */
  readonly schema: string;
}

/** An encoded file on local disk, ready to be published under `name`. */
export interface EncodedFile {
  /** Relative to the table's folder: `dt=2026-11-23/hr=09/<topic>-<partition>-<first>-<last>-<schema>.parquet`. */
  readonly name: string;
  readonly localPath: string;
  readonly dt: string;
  readonly hr: string;
  readonly rows: number;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A published file. `location` is what the catalog needs: an HDFS path or an s3:// URL. */
export interface LandedFile {
  readonly name: string;
  readonly location: string;
  readonly dt: string;
  readonly hr: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A record that cannot be a row, with what it takes to find and replay it. */
export interface DeadLetter extends TopicPartition {
  readonly offset: bigint;
  readonly reason: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** A finished segment: everything below `cut.last + 1` of its partition is durable. */
export interface LedgerEntry {
  readonly cut: Cut;
  readonly files: readonly LandedFile[];
  readonly rows: number;
  readonly deadLetters: number;
}

/** Where the ledger of one partition stands. */
export interface LedgerState {
  /** The offset after the last finished segment; undefined when nothing was landed yet. */
  readonly position: bigint | undefined;
  /** A cut that was decided and not finished: it must be repeated as it is. */
  readonly openCut: Cut | undefined;
}

/**
 * A place for files and for the ledger that goes with them: HDFS or S3. Every write is idempotent:
 * the same content twice is success, other content under the same name is a FencedError, because
 * it means that another owner of the partition was faster. Errors are HybridgeErrors whose `retry`
 * tells the engine what to do.
 */
export interface LandingStore {
  readonly scheme: string;
  readLedger(partition: TopicPartition, signal: AbortSignal): Promise<LedgerState>;
  /** Finished segments of a partition with `first >= from`, in order. */
  listEntries(
    partition: TopicPartition,
    from: bigint,
    signal: AbortSignal,
  ): AsyncIterable<LedgerEntry>;
  writeCut(cut: Cut, signal: AbortSignal): Promise<void>;
  /** The file appears whole or not at all. */
  publish(file: EncodedFile, signal: AbortSignal): Promise<LandedFile>;
  publishDeadLetters(cut: Cut, letters: readonly DeadLetter[], signal: AbortSignal): Promise<void>;
  commit(entry: LedgerEntry, signal: AbortSignal): Promise<void>;
}

/**
 * What makes landed files visible to queries: Hive partitions, or a load into Redshift. It is
 * given finished segments in order per partition and may be given the same ones again.
 */
export interface Catalog {
  /** Creates what is missing: database, table, ledger table. */
  prepare(signal: AbortSignal): Promise<void>;
  /** The offset up to which a partition is visible (exclusive); undefined when nothing is. */
  position(partition: TopicPartition, signal: AbortSignal): Promise<bigint | undefined>;
  /** Registers segments of any partitions, together; when it returns they are visible. */
  register(entries: readonly LedgerEntry[], signal: AbortSignal): Promise<void>;
}

/** The files and dead letters of one cut. Disposing deletes the local files. */
export interface EncodedSegment extends AsyncDisposable {
  readonly files: readonly EncodedFile[];
  readonly deadLetters: readonly DeadLetter[];
}

/** Turns the records of a cut into files on local disk. One format each; see libs/parquet. */
export interface SegmentEncoder {
  /** The row schema that new cuts are decided under. */
  readonly schema: string;
  /**
   * Deterministic: the same cut and records give the same bytes. Records that cannot be rows are
   * returned as dead letters.
   *
   * @throws SegmentSchemaError when the cut was decided under a schema that it cannot write
   */
  encode(cut: Cut, records: readonly LandingRecord[], signal: AbortSignal): Promise<EncodedSegment>;
}

/** Records of one partition in order, as the reader of a source yields them. */
export interface SourceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly LandingRecord[];
  /** Where reading goes on, past records that are not data. */
  readonly nextOffset: bigint;
  /** The last stable offset of the partition. */
  readonly endOffset: bigint;
}

/** Opens a reader at some positions; it ends when the signal is aborted. */
export type OpenSource = (
  positions: ReadonlyMap<number, bigint | "earliest">,
  signal: AbortSignal,
) => AsyncIterable<SourceBatch>;

/**
 * The few operations that a store of files must have for `landingStoreOver`, which adds the ledger
 * and the fencing. Names are paths with slashes, relative to the root of the store.
 */
export interface BlobStore {
  readonly scheme: string;
  /** What the catalog and people call the file: an HDFS path or an s3:// URL. */
  locationOf(name: string): string;
  /**
   * Creates a file if nothing has its name yet; it appears whole or not at all. "exists" is also
   * the answer when an earlier try of this very call succeeded and its response was lost.
   */
  create(name: string, bytes: Buffer, signal: AbortSignal): Promise<"created" | "exists">;
  /** The same with the content of a local file, whose SHA-256 is kept beside it. */
  createFromFile(
    name: string,
    file: EncodedFile,
    signal: AbortSignal,
  ): Promise<"created" | "exists">;
  /** A whole small file; undefined when there is none. */
  read(name: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Length and SHA-256 (lower-case hex) of a file; undefined when there is none. */
  describe(
    name: string,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number; readonly sha256: string } | undefined>;
  /**
   * One page of the names in a folder (without the folder) that come after `after`, in the order
   * of their bytes. An empty page that is not `more` is the end. No folder is an empty folder.
   */
  list(
    folder: string,
    after: string,
    signal: AbortSignal,
  ): Promise<{ readonly names: readonly string[]; readonly more: boolean }>;
}

import type { LocalFile } from "./store-port.ts";

/** Columns of landed files, in their order. `id` goes into the log's `add`; another list has another id. */
export interface ColumnList {
  readonly id: string;
  readonly names: readonly string[];
}

/** A partition of one incarnation of a topic. Another topic id is another partition. */
export interface EncodedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/**
 * A record as it is flushed: what a consumer sees, and what it takes to rebuild it in Kafka. Buffers
 * may be views of a larger one: copy what is kept.
 */
export interface FlushRecord {
  readonly offset: bigint;
  /** Milliseconds since 1970, as a consumer sees it. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  /** Who set the timestamp, where the reader knows (KIP-32). */
  readonly timestampType?: "create" | "append";
}

/** Offsets of one partition in one file; both ends are records that the file holds. */
export interface EncodedRange extends EncodedPartition {
  readonly first: bigint;
  readonly last: bigint;
  readonly rows: number;
}

/** The rows of one hour of event time. */
export interface FlushFile extends LocalFile {
  readonly dt: string;
  readonly hr: string;
  readonly rows: number;
  readonly ranges: readonly EncodedRange[];
  /** The same rows' raw bytes and whole records, where the encoder splits them off. */
  readonly raw?: LocalFile;
}

/** What a flush holds of one partition. */
export interface EncodedAdvance extends EncodedPartition {
  readonly rows: number;
  readonly deadLetters: number;
  /** Sum over the rows of the number that the first 15 hex digits of the value's MD5 make. */
  readonly md5Sum: bigint;
}

/** A record that cannot be a row, with what it takes to find and replay it. */
export interface FlushDeadLetter extends EncodedPartition {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly reason: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

export interface EncodeRequest {
  /** Wall clock of the flush; the landed_at of every row. */
  readonly landedAtMs: number;
  /** Partitions whose records stay out: they were lost meanwhile. */
  readonly without?: readonly EncodedPartition[];
  readonly signal: AbortSignal;
}

/** The files of a flush. Disposing deletes those that are still there. */
export interface Encoded extends AsyncDisposable {
  /** In the order of their hours. */
  readonly files: readonly FlushFile[];
  readonly deadLetters: readonly FlushDeadLetter[];
  /** Every partition that was appended and neither dropped nor left out, also without rows. */
  readonly partitions: readonly EncodedAdvance[];
  /**
   * The same without the records of some partitions, which a conflict lost: made of the files, since
   * the buffer is gone by then. Either is disposed of by itself.
   */
  without(partitions: readonly EncodedPartition[], signal: AbortSignal): Promise<Encoded>;
}

/** Collects records of any partitions of one table and turns them into one file per event hour. */
export interface FlushEncoder extends AsyncDisposable {
  readonly columns: ColumnList;
  /** A new, empty buffer. Several may be open, and one may be filled while another is encoded. */
  open(): FlushBuffer;
}

export interface FlushBuffer extends AsyncDisposable {
  /** Bytes of memory that the records hold here, with what is kept of each beside its bytes. */
  readonly bytes: number;
  readonly rows: number;
  /** Appends a run of one partition's records. Synchronous; the records' views are free afterwards. */
  append(at: EncodedPartition, records: readonly FlushRecord[]): void;
  /** Forgets everything of some partitions: they were revoked or lost. */
  drop(partitions: readonly EncodedPartition[]): void;
  /**
   * Writes one file per hour, verified by reading it back. May be called again, with other
   * partitions left out; the buffer keeps its records until it is disposed of.
   *
   * @throws HybridgeError with retry "backoff" when the staging folder is full
   */
  encode(request: EncodeRequest): Promise<Encoded>;
}

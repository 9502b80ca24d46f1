import type { ConnectionOptions } from "node:tls";

/** How to reach one cluster. */
export interface ClusterOptions {
  /** `host:port[,host:port...]` */
  readonly bootstrap: string;
  readonly clientId: string;
  /**
   * Present: TLS, with these options over Node's own. A function is asked at each connection, so
   * that certificates may change while the process runs.
   */
  readonly tls?: ConnectionOptions | (() => ConnectionOptions);
  readonly sasl?: SaslOptions;
  /** Where this process runs: reads go to a replica there when the cluster selects by rack (KIP-392). */
  readonly rack?: string;
}

export type SaslOptions = PasswordLogin | TokenLogin;

export interface PasswordLogin {
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly username: string;
  /** Text, or what is asked for it at each login, such as a Secret of core. */
  readonly password: string | { value(): string };
}

export interface TokenLogin {
  readonly mechanism: "OAUTHBEARER";
  /** A token that is good for a while; asked for before each login and each renewal. */
  readonly token: (signal: AbortSignal) => Promise<string>;
  /** SASL extensions (KIP-342). */
  readonly extensions?: Readonly<Record<string, string>>;
}

/** Header names repeat and keep their order in Kafka. */
export type RecordHeaders = readonly (readonly [name: string, value: Buffer | null])[];

/** A record as a consumer sees it. Buffers are views of the fetched bytes. */
export interface KafkaRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
}

/** A record with its time exactly: nanoseconds, which some send, do not fit into `timestampMs`. */
export interface PartitionRecord extends KafkaRecord {
  readonly timestamp: bigint;
}

/** Records of one partition, in order; `nextOffset` is where reading goes on, past control records. */
export interface PartitionRecords {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
  readonly nextOffset: bigint;
  /** The last stable offset of the partition, as of this fetch. */
  readonly endOffset: bigint;
}

export interface ReaderOptions {
  readonly cluster: ClusterOptions;
  readonly topic: string;
  /** Where to begin, by partition; "earliest" is the first offset that the broker still has. */
  readonly positions: ReadonlyMap<number, bigint | "earliest">;
  readonly signal: AbortSignal;
  /** Fetched bytes held for a consumer that is slower than the broker; default 16 MiB. */
  readonly bufferBytesMax?: number;
}

/**
 * Reads committed records (KIP-98 read_committed, checksums verified) of some partitions until the
 * signal is aborted, surviving leader changes and restarts of brokers. Also yields empty
 * `records` when only `nextOffset` or `endOffset` moved, so that lag can be told.
 *
 * @throws OffsetOutOfRangeError when the log no longer holds a position: never a silent jump
 */
export type OpenReader = (options: ReaderOptions) => AsyncIterable<PartitionRecords>;

export interface RecordToSend {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
  readonly timestampMs: number;
}

export interface FencedWriterOptions {
  readonly cluster: ClusterOptions;
  /** One owner per id: opening it again fences whoever had it (epoch + 1, empty aborted transaction). */
  readonly transactionalId: string;
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly signal: AbortSignal;
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  /**
   * Others, with other ids, append to these partitions too. Without it an offset that is not the next
   * one is told as a foreign writer.
   */
  readonly isShared?: boolean;
}

/**
 * An idempotent writer whose predecessors can no longer append once it is open. The data is not
 * transactional. After an unknown outcome it sends the same bytes with the same sequence again.
 */
export interface FencedWriter extends AsyncDisposable {
  /** Where each partition ended when the fence was in place; what is below is settled. */
  readonly endOffsets: ReadonlyMap<number, bigint>;
  /**
   * Appends records to one partition as one batch, in the order of the calls.
   *
   * @returns the offset of the first record
   * @throws FencedError when another owner took over
   * @throws RecordTooLargeError when the broker refuses the batch for its size
   */
  append(partition: number, records: readonly RecordToSend[]): Promise<bigint>;
}

export type OpenFencedWriter = (options: FencedWriterOptions) => Promise<FencedWriter>;

/** `count` records from `sourceOffset` on stand from `targetOffset` on, without a gap. */
export interface PositionRun {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  readonly count: bigint;
}

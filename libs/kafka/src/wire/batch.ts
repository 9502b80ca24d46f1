import { CorruptBatchError, MalformedError, UnsupportedBrokerError } from "../errors.ts";
import { crc32c, patchCrc32c, suffixCrc32c } from "./crc.ts";

/**
 * The header of a record batch of format 2 (kafka.apache.org/documentation/#recordbatch). Offset,
 * length and leader epoch stand outside of the checksum; it covers byte 21 to the end.
 */
export const HEADER_BYTES = 61;
const CRC_AT = 17;
const CRC_FROM = 21;
/** baseOffset and length: what `length` does not count. */
const LOG_OVERHEAD = 12;

const attribute = {
  codec: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** One record batch: accessors over its bytes, nothing is copied or decoded. */
export class Batch {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get baseOffset(): bigint {
    return this.bytes.readBigInt64BE(0);
  }

  get lastOffset(): bigint {
    return this.baseOffset + BigInt(this.lastOffsetDelta);
  }

  get leaderEpoch(): number {
    return this.bytes.readInt32BE(12);
  }

  get crc(): number {
    return this.bytes.readUInt32BE(CRC_AT);
  }

  get attributes(): number {
    return this.bytes.readInt16BE(21);
  }

  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  get codec(): number {
    return this.attributes & attribute.codec;
  }

  get isLogAppendTime(): boolean {
    return (this.attributes & attribute.logAppendTime) !== 0;
  }

  get isTransactional(): boolean {
    return (this.attributes & attribute.transactional) !== 0;
  }

  get isControl(): boolean {
    return (this.attributes & attribute.control) !== 0;
  }

  get hasDeleteHorizon(): boolean {
    return (this.attributes & attribute.deleteHorizon) !== 0;
  }

  get lastOffsetDelta(): number {
    return this.bytes.readInt32BE(23);
  }

  get baseTimestamp(): bigint {
    return this.bytes.readBigInt64BE(27);
  }

  get maxTimestamp(): bigint {
    return this.bytes.readBigInt64BE(35);
  }

  get producerId(): bigint {
    return this.bytes.readBigInt64BE(43);
  }

  get producerEpoch(): number {
    return this.bytes.readInt16BE(51);
  }

  get baseSequence(): number {
    return this.bytes.readInt32BE(53);
  }

  get count(): number {
    return this.bytes.readInt32BE(57);
  }

  /** The records as they stand, compressed if the batch is. */
  get payload(): Buffer {
    return this.bytes.subarray(HEADER_BYTES);
  }

  /** True when every offset of the batch has its record: compaction took none out. */
  get isDense(): boolean {
    return this.count === this.lastOffsetDelta + 1;
  }

  /** The checksum of the payload alone, from the batch's own: no pass over the payload. */
  get payloadCrc(): number {
    const header = crc32c(this.bytes.subarray(CRC_FROM, HEADER_BYTES));
    return suffixCrc32c(this.crc, header, this.bytes.length - HEADER_BYTES);
  }

  /** True when the bytes are those that the producer summed up. A pass over all of them. */
  get isIntact(): boolean {
    return crc32c(this.bytes.subarray(CRC_FROM)) === this.crc;
  }

  /** @throws CorruptBatchError unless the batch is intact */
  verify(where: string): void {
    if (this.isIntact) return;
    throw new CorruptBatchError(
      `read the batch at offset ${this.baseOffset} of ${where}: its CRC-32C does not match its ${this.bytes.length} bytes; check the broker's disk`,
    );
  }

  /** The first control record's type (KIP-98): 0 abort, 1 commit; undefined for data. */
  get controlType(): number | undefined {
    if (!this.isControl) return undefined;
    // length, attributes, timestamp delta, offset delta, key length, then version and type.
    let at = HEADER_BYTES;
    const { bytes } = this;
    const skipVarint = () => {
      while (at < bytes.length && (bytes[at] ?? 0) > 0x7f) at += 1;
      at += 1;
    };
    skipVarint();
    at += 1;
    skipVarint();
    skipVarint();
    skipVarint();
    return at + 4 <= bytes.length ? bytes.readInt16BE(at + 2) : undefined;
  }
}

/**
 * The whole batches of a fetched record set, in order. The broker may cut the last one off: it is
 * left out. Batches that end before `from` are left out too (a fetch answers from the beginning
 * of the batch that holds the offset).
 *
 * @throws MalformedError, UnsupportedBrokerError for the formats before 2 (Kafka 0.10 and older)
 */
export function* batchesOf(records: Buffer | null, from = 0n): Generator<Batch> {
  if (records === null) return;
  for (let at = 0; at + 17 <= records.length;) {
    const size = records.readInt32BE(at + 8) + LOG_OVERHEAD;
    const magic = records[at + 16];
    if (magic !== 2) {
      throw new UnsupportedBrokerError(
        `read the batch at offset ${records.readBigInt64BE(at)}: its format is ${magic ?? "missing"}, only 2 is supported (Kafka 0.11 and later write it)`,
      );
    }
    if (size < HEADER_BYTES) {
      throw new MalformedError(`read a batch: its length field says ${size} bytes in all`);
    }
    if (at + size > records.length) return;
    const batch = new Batch(records.subarray(at, at + size));
    at += size;
    if (batch.lastOffset >= from) yield batch;
  }
}

/** What the new owner of a batch writes over its header. */
export interface Stamp {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

const before = Buffer.alloc(HEADER_BYTES - CRC_FROM);
const difference = Buffer.alloc(HEADER_BYTES - CRC_FROM);

/**
 * Makes a fetched batch one of our own, in place: base offset 0, own producer, no transaction and
 * no delete horizon (left set, the target's cleaner could drop tombstones at its first pass; the
 * base timestamp keeps its meaning without it), and the checksum follows from the change. The
 * records must be dense, or have their gap at the end only.
 */
export function stampBatch(bytes: Buffer, stamp: Stamp): void {
  bytes.copy(before, 0, CRC_FROM, HEADER_BYTES);
  const crc = bytes.readUInt32BE(CRC_AT);
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(-1, 12);
  const cleared = attribute.transactional | attribute.deleteHorizon;
  bytes.writeInt16BE(bytes.readInt16BE(21) & ~cleared, 21);
  bytes.writeInt32BE(bytes.readInt32BE(57) - 1, 23);
  bytes.writeBigInt64BE(stamp.producerId, 43);
  bytes.writeInt16BE(stamp.producerEpoch, 51);
  bytes.writeInt32BE(stamp.baseSequence, 53);
  for (let at = 0; at < before.length; at++) {
    difference[at] = (before[at] ?? 0) ^ (bytes[CRC_FROM + at] ?? 0);
  }
  bytes.writeUInt32BE(patchCrc32c(crc, difference, bytes.length - HEADER_BYTES), CRC_AT);
}

/** The sequence that follows, in the 31 bits that the broker counts in. */
export function advanceSequence(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31;
}

/** Puts a header before encoded records and computes the checksum. */
export function buildBatch(
  payload: Buffer,
  header: Stamp & {
    readonly codec: number;
    readonly count: number;
    readonly baseTimestamp: bigint;
    readonly maxTimestamp: bigint;
  },
): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(bytes.length - LOG_OVERHEAD, 8);
  bytes.writeInt32BE(-1, 12);
  bytes[16] = 2;
  bytes.writeInt16BE(header.codec, 21);
  bytes.writeInt32BE(header.count - 1, 23);
  bytes.writeBigInt64BE(header.baseTimestamp, 27);
  bytes.writeBigInt64BE(header.maxTimestamp, 35);
  bytes.writeBigInt64BE(header.producerId, 43);
  bytes.writeInt16BE(header.producerEpoch, 51);
  bytes.writeInt32BE(header.baseSequence, 53);
  bytes.writeInt32BE(header.count, 57);
  payload.copy(bytes, HEADER_BYTES);
  bytes.writeUInt32BE(crc32c(bytes.subarray(CRC_FROM)), CRC_AT);
  return bytes;
}

import { invariant } from "@hybridge/core";
import type { PositionRun } from "@hybridge/kafka";
import { MalformedError } from "@hybridge/kafka/raw";

/** A list takes no further run from this size on: about 340 transactions of some records each. */
const ENCODED_BYTES_MAX = 1 << 10;
/** Three numbers of at most 9 bytes. */
const STEP_BYTES_MAX = 27;

/** Where a run begins, on both sides. */
interface Place {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
}

/**
 * Runs of records, each without a gap on either side, in the order of both logs. What parts them
 * are offsets without records: transaction markers of the source, fences of the target, what a
 * cleaner took out. A source with ten commits a second has 864,000 runs a day, so they do not stand
 * here as objects: all but the last are three numbers of variable length each (records, then the
 * gap in the source and in the target), some 3 bytes in all.
 */
export class RunList {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  #encoded: Buffer;
  #bytes = 0;
  /** Records of the runs that are encoded. */
  #encodedCount = 0n;
  #last: PositionRun;

  constructor(first: PositionRun) {
    invariant(first.count > 0n, "a run has records");
    this.sourceOffset = first.sourceOffset;
    this.targetOffset = first.targetOffset;
    this.#encoded = Buffer.alloc(0);
    this.#last = first;
  }

  /**
   * A list as `encode` gave it, with all its records counted.
   *
   * @throws MalformedError when the two do not fit together
   */
  static decode(first: Place, count: bigint, encoded: Buffer): RunList {
    const damaged = () =>
      new MalformedError(`decode the runs from source offset ${first.sourceOffset} on`);
    let { sourceOffset, targetOffset } = first;
    let left = count;
    for (const { records, sourceGap, targetGap } of stepsOf(encoded, damaged)) {
      left -= records;
      sourceOffset += records + sourceGap;
      targetOffset += records + targetGap;
    }
    if (left <= 0n) throw damaged();
    const list = new RunList({ ...first, count: left });
    list.#encoded = Buffer.from(encoded);
    list.#bytes = encoded.length;
    list.#encodedCount = count - left;
    list.#last = { sourceOffset, targetOffset, count: left };
    return list;
  }

  /** The source offset after the last record. */
  get sourceEnd(): bigint {
    return this.#last.sourceOffset + this.#last.count;
  }

  get targetEnd(): bigint {
    return this.#last.targetOffset + this.#last.count;
  }

  /** How many records there are. */
  get count(): bigint {
    return this.#encodedCount + this.#last.count;
  }

  get encoded(): Buffer {
    return this.#encoded.subarray(0, this.#bytes);
  }

  /** Takes a run that comes after all others. @returns false when the list is full */
  append(run: PositionRun): boolean {
    const sourceGap = run.sourceOffset - this.sourceEnd;
    const targetGap = run.targetOffset - this.targetEnd;
    invariant(run.count > 0n, "a run has records");
    invariant(sourceGap >= 0n && targetGap >= 0n, "positions are added in the order of both logs");
    const { sourceOffset, targetOffset, count } = this.#last;
    if (sourceGap === 0n && targetGap === 0n) {
      this.#last = { sourceOffset, targetOffset, count: count + run.count };
      return true;
    }
    if (this.#bytes >= ENCODED_BYTES_MAX) return false;
    this.#makeRoom();
    for (const number of [count, sourceGap, targetGap]) {
      this.#bytes = writeVarint(this.#encoded, this.#bytes, number);
    }
    this.#encodedCount += count;
    this.#last = {
      sourceOffset: run.sourceOffset,
      targetOffset: run.targetOffset,
      count: run.count,
    };
    return true;
  }

  /** The runs, in order. */
  *runs(): Generator<PositionRun> {
    let { sourceOffset, targetOffset } = this;
    for (const { records, sourceGap, targetGap } of stepsOf(this.encoded)) {
      yield { sourceOffset, targetOffset, count: records };
      sourceOffset += records + sourceGap;
      targetOffset += records + targetGap;
    }
    yield this.#last;
  }

  #makeRoom(): void {
    if (this.#encoded.length - this.#bytes >= STEP_BYTES_MAX) return;
    const larger = Buffer.alloc(
      Math.max(64, this.#encoded.length * 2, this.#bytes + STEP_BYTES_MAX),
    );
    this.encoded.copy(larger);
    this.#encoded = larger;
  }
}

interface Step {
  readonly records: bigint;
  readonly sourceGap: bigint;
  readonly targetGap: bigint;
}

function* stepsOf(
  bytes: Buffer,
  damaged = () => new RangeError("runs are cut off"),
): Generator<Step> {
  const cursor = { at: 0 };
  const next = () => {
    let value = 0n;
    for (let shift = 0n; shift < 63n; shift += 7n) {
      const byte = bytes[cursor.at++];
      if (byte === undefined) throw damaged();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw damaged();
  };
  while (cursor.at < bytes.length) {
    const step = { records: next(), sourceGap: next(), targetGap: next() };
    if (step.records === 0n) throw damaged();
    yield step;
  }
}

function writeVarint(bytes: Buffer, offset: number, number: bigint): number {
  let at = offset;
  let rest = number;
  for (; rest > 0x7fn; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
  bytes[at++] = Number(rest);
  return at;
}

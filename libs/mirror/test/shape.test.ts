import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch, joinRecords, scanRecords, stampBatch, type RawRecord } from "@hybridge/kafka/raw";
import { randomRecords, sealBatch, seededRandom } from "@hybridge/kafka/testing";
import { buildBatch, encodeRecords } from "@hybridge/kafka/raw";
import { reshape, shape, type Sendable, type ShapeOptions } from "../src/tenure/shape.ts";

const whole: ShapeOptions = { from: 0n, bytesMax: 1 << 20 };

function batchOf(count: number, baseOffset: bigint, codec = 0): Batch {
  const list = randomRecords(seededRandom(count), count, 1_000_000);
  const bytes = buildBatch(encodeRecords(list, 1_000_000), {
    producerId: 9n,
    producerEpoch: 1,
    baseSequence: 5,
    codec: 0,
    count,
    baseTimestamp: 1_000_000n,
    maxTimestamp: 1_000_100n,
  });
  if (codec === 0) return withBase(bytes, baseOffset);
  return withBase(joinRecords(scanRecords(new Batch(bytes)), codec), baseOffset);
}

function withBase(bytes: Buffer, baseOffset: bigint): Batch {
  bytes.writeBigInt64BE(baseOffset, 0);
  return new Batch(bytes);
}

/** Takes records out as the log cleaner does: offsets and lastOffsetDelta stay. */
function compacted(batch: Batch, keep: (offset: bigint) => boolean): Batch {
  const parts: Buffer[] = [];
  let count = 0;
  for (const record of scanRecords(batch)) {
    if (!keep(record.offset)) continue;
    parts.push(encodedWithDelta(record, Number(record.offset - batch.baseOffset), batch));
    count += 1;
  }
  const bytes = buildBatch(Buffer.concat(parts), {
    producerId: 9n,
    producerEpoch: 1,
    baseSequence: 5,
    codec: 0,
    count,
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
  });
  bytes.writeInt32BE(batch.lastOffsetDelta, 23);
  return withBase(sealBatch(bytes), batch.baseOffset);
}

function encodedWithDelta(record: RawRecord, delta: number, batch: Batch): Buffer {
  const varint = (value: number) => {
    const bytes: number[] = [];
    let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
    for (; zigzag > 127; zigzag = Math.floor(zigzag / 128)) bytes.push((zigzag % 128) | 0x80);
    return Buffer.from([...bytes, zigzag]);
  };
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(Number(record.timestamp) - Number(batch.baseTimestamp)),
    varint(delta),
    record.bytes.subarray(record.from, record.to),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function onlyBatches(parts: ReturnType<typeof shape>): Sendable[] {
  return parts.map((part) => {
    assert.equal(part.kind, "batch");
    return part;
  });
}

/** The records that the parts carry, with the source offsets that their runs give them. */
function carried(parts: readonly Sendable[]): { offset: bigint; timestamp: number | bigint }[] {
  return parts.flatMap((part) => {
    const offsets = part.runs.flatMap(({ sourceOffset, count }) =>
      Array.from({ length: count }, (_, index) => sourceOffset + BigInt(index)),
    );
    const stamped = Buffer.from(part.bytes);
    stampBatch(stamped, { producerId: 1n, producerEpoch: 0, baseSequence: 0 });
    const batch = new Batch(stamped);
    batch.verify("here");
    assert.ok(batch.isDense);
    const records = scanRecords(batch);
    assert.equal(records.length, offsets.length);
    return records.map(({ timestamp }, index) => ({
      offset: offsets[index] ?? -1n,
      timestamp,
    }));
  });
}

test("a plain batch is not copied, let alone decoded", () => {
  const batch = batchOf(10, 40n);
  const [part] = onlyBatches(shape(batch, whole));
  assert.equal(part?.bytes, batch.bytes);
  assert.deepEqual(part.runs, [{ sourceOffset: 40n, count: 10 }]);
});

test("a batch that compaction emptied vanishes", () => {
  assert.deepEqual(
    shape(
      compacted(batchOf(3, 0n), () => false),
      whole,
    ),
    [],
  );
});

test("a gap at the end needs no new encoding; gaps inside and at the head do", () => {
  const batch = batchOf(6, 100n);
  const tail = compacted(batch, (offset) => offset < 103n);
  const [kept] = onlyBatches(shape(tail, whole));
  assert.equal(kept?.bytes, tail.bytes);
  for (const missing of [100n, 102n]) {
    const gapped = compacted(batch, (offset) => offset !== missing);
    const parts = onlyBatches(shape(gapped, whole));
    assert.notEqual(parts[0]?.bytes, gapped.bytes);
    const expected = scanRecords(gapped).map(({ offset, timestamp }) => ({ offset, timestamp }));
    assert.deepEqual(carried(parts), expected);
  }
});

test("what stands before the position is cut off", () => {
  const parts = onlyBatches(shape(batchOf(8, 10n, 3), { ...whole, from: 15n }));
  assert.deepEqual(
    carried(parts).map(({ offset }) => offset),
    [15n, 16n, 17n],
  );
});

test("a batch with log append time carries that time in its records", () => {
  const batch = batchOf(3, 0n);
  batch.bytes.writeInt16BE(0x08, 21);
  batch.bytes.writeBigInt64BE(777n, 35);
  sealBatch(batch.bytes);
  const parts = onlyBatches(shape(batch, whole));
  assert.deepEqual(
    carried(parts).map(({ timestamp }) => timestamp),
    [777, 777, 777],
  );
});

test("a batch over the limit is split until it fits, in every codec", () => {
  for (let codec = 0; codec <= 4; codec++) {
    const batch = batchOf(200, 0n, codec);
    const bytesMax = Math.ceil(batch.bytes.length / 3);
    const parts = onlyBatches(shape(batch, { ...whole, bytesMax }));
    assert.ok(parts.length >= 3);
    assert.ok(parts.every(({ bytes }) => bytes.length <= bytesMax));
    assert.deepEqual(
      carried(parts).map(({ offset }) => offset),
      Array.from({ length: 200 }, (_, index) => BigInt(index)),
    );
  }
});

test("one record over the limit is rejected and its neighbours are not", () => {
  const small = { key: null, value: Buffer.from("s"), headers: [], timestampMs: 5 };
  const list = [small, { ...small, value: Buffer.alloc(5_000) }, small];
  const bytes = buildBatch(encodeRecords(list, 5), {
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    codec: 0,
    count: 3,
    baseTimestamp: 5n,
    maxTimestamp: 5n,
  });
  const parts = shape(withBase(bytes, 20n), { ...whole, bytesMax: 1_000 });
  assert.deepEqual(
    parts.map((part) => (part.kind === "rejected" ? part.offset : part.runs[0]?.sourceOffset)),
    [20n, 21n, 22n],
  );
  assert.deepEqual(
    parts.map(({ kind }) => kind),
    ["batch", "rejected", "batch"],
  );
});

test("a refused batch goes record by record, or without the records that the target named", () => {
  const part = onlyBatches(shape(batchOf(4, 50n), whole))[0] as Sendable;
  const alone = onlyBatches(reshape(part, { refused: new Map(), isSuspect: true }, 1 << 20));
  assert.deepEqual(
    alone.map(({ count, runs, alone: single }) => [count, runs[0]?.sourceOffset, single]),
    [50n, 51n, 52n, 53n].map((offset) => [1, offset, true]),
  );
  const refused = new Map([[52n, "a key is needed"]]);
  const parts = reshape(part, { refused, isSuspect: false }, 1 << 20);
  assert.deepEqual(
    parts.map((one) =>
      one.kind === "rejected" ? [one.offset, one.reason] : one.runs.map(({ count }) => count),
    ),
    [
      [2, 1],
      [52n, "a key is needed"],
    ],
  );
});

test("what was packed anew is cut by the source's offsets, not by its own", () => {
  const gapped = compacted(batchOf(6, 100n), (offset) => offset !== 102n);
  const packed = onlyBatches(shape(gapped, whole))[0] as Sendable;
  const refused = new Map([[104n, "no"]]);
  const parts = reshape(packed, { refused, isSuspect: false }, 1 << 20);
  const rest = parts.filter((one) => one.kind === "batch");
  assert.deepEqual(
    carried(rest).map(({ offset }) => offset),
    [100n, 101n, 103n, 105n],
  );
});

test("no 64-bit time is rounded, and the largest there is does not end the process", () => {
  const times = [2n ** 63n - 1n, -(2n ** 63n), 1_764_115_200_123_456_789n, 5n, -1n];
  for (const base of times) {
    const batch = batchOf(1, 7n);
    batch.bytes.writeBigInt64BE(base, 27);
    batch.bytes.writeBigInt64BE(base, 35);
    sealBatch(batch.bytes);
    const [first] = scanRecords(batch);
    assert.ok(first);
    const all = times.map((timestamp) => ({ ...first, timestamp }));
    const joined = new Batch(joinRecords(all, 0));
    assert.deepEqual(
      scanRecords(joined).map(({ timestamp }) => BigInt(timestamp)),
      times,
      `from ${base} on`,
    );
  }
});

test("a batch that does not match its checksum is put aside whole, never packed anew", () => {
  const batch = batchOf(6, 100n, 3);
  batch.bytes[batch.bytes.length - 1]! ^= 0xff;
  const asItCame = Buffer.from(batch.bytes);
  assert.equal(shape(batch, whole)[0]?.kind, "batch", "untouched it goes to the target's check");
  const plain = shape(batch, whole)[0] as Sendable;
  for (const parts of [
    reshape(plain, { refused: new Map(), isSuspect: true }, 1 << 20),
    shape(batch, { ...whole, from: 102n }),
    shape(batch, { ...whole, bytesMax: 50 }),
  ]) {
    assert.equal(parts.length, 1);
    const [part] = parts;
    assert.ok(part?.kind === "rejected");
    assert.deepEqual([part.offset, part.count], [100n, 6]);
    assert.ok(part.record.value?.equals(asItCame));
    assert.match(part.reason, /KAFKA_CORRUPT_BATCH/);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RecordToSend } from "../src/api.ts";
import { Batch, batchesOf, buildBatch } from "../src/wire/batch.ts";
import { codecNames, compress, decompress } from "../src/wire/compression.ts";
import { isSameRecord, joinRecords, scanRecords } from "../src/wire/raw-record.ts";
import { decodeRecords, encodeRecords } from "../src/wire/record.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)));
const record: fc.Arbitrary<RecordToSend> = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(fc.tuple(fc.string({ maxLength: 8, unit: "grapheme" }), bytes), {
    maxLength: 4,
  }),
  timestampMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 30 });
const codec = fc.nat(4);

function batchOf(list: readonly RecordToSend[], withCodec: number, baseOffset = 0n): Batch {
  const base = list[0]?.timestampMs ?? 0;
  const built = buildBatch(compress(withCodec, encodeRecords(list, base)), {
    ...NOBODY,
    codec: withCodec,
    count: list.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(Math.max(...list.map(({ timestampMs }) => timestampMs))),
  });
  built.writeBigInt64BE(baseOffset, 0);
  return new Batch(built);
}

const plain = ({ key, value, headers, timestampMs }: RecordToSend) => ({
  key,
  value,
  headers: headers.map(([name, content]) => [name, content]),
  timestampMs,
});

test("what is encoded is decoded again, in every codec", () => {
  fc.assert(
    fc.property(records, codec, fc.bigInt({ min: 0n, max: 2n ** 50n }), (list, withCodec, base) => {
      const decoded = decodeRecords(batchOf(list, withCodec, base));
      assert.deepEqual(decoded.map(plain), list.map(plain));
      assert.deepEqual(
        decoded.map(({ offset }) => offset),
        list.map((_, index) => base + BigInt(index)),
      );
    }),
  );
});

test("batches joined without looking at their content hold the same records", () => {
  fc.assert(
    fc.property(records, records, codec, (first, second, withCodec) => {
      const scanned = [
        ...scanRecords(batchOf(first, withCodec, 7n)),
        ...scanRecords(batchOf(second, withCodec, 100n)),
      ];
      const joined = new Batch(joinRecords(scanned, withCodec));
      joined.verify("here");
      assert.deepEqual(decodeRecords(joined).map(plain), [...first, ...second].map(plain));
      const again = scanRecords(joined);
      assert.ok(scanned.every((item, index) => isSameRecord(item, again[index] ?? item)));
    }),
  );
});

test("records compare as different when any byte or the time differs", () => {
  const one = { key: null, value: Buffer.from("a"), headers: [], timestampMs: 1 };
  const [a] = scanRecords(batchOf([one], 0));
  for (const other of [
    { ...one, value: Buffer.from("b") },
    { ...one, value: null },
    { ...one, key: Buffer.alloc(0) },
    { ...one, timestampMs: 2 },
  ]) {
    const [b] = scanRecords(batchOf([other], 0));
    assert.ok(a && b && !isSameRecord(a, b));
  }
});

test("log append time is what consumers see", () => {
  const batch = batchOf([{ key: null, value: null, headers: [], timestampMs: 5 }], 0);
  batch.bytes.writeInt16BE(0x08, 21);
  batch.bytes.writeBigInt64BE(999n, 35);
  assert.equal(decodeRecords(batch)[0]?.timestampMs, 999);
  assert.equal(scanRecords(batch)[0]?.timestamp, 999);
});

test("a record set is cut into whole batches, and those before the position are left out", () => {
  const first = batchOf([{ key: null, value: null, headers: [], timestampMs: 5 }], 0, 10n).bytes;
  const second = batchOf([{ key: null, value: null, headers: [], timestampMs: 5 }], 0, 11n).bytes;
  const set = Buffer.concat([first, second, second.subarray(0, second.length - 1)]);
  const bases = (from: bigint) => [...batchesOf(set, from)].map(({ baseOffset }) => baseOffset);
  assert.deepEqual(bases(0n), [10n, 11n]);
  assert.deepEqual(bases(11n), [11n]);
  assert.deepEqual(bases(12n), []);
});

test("every codec gives back what it was given, from nothing to a mebibyte", () => {
  for (const [index] of codecNames.entries()) {
    for (const size of [0, 1, 40_000, 1 << 20]) {
      const original = Buffer.alloc(size, "some text that repeats ");
      assert.ok(decompress(index, compress(index, original)).equals(original));
    }
  }
});

test("a time in nanoseconds is exact, which a double is not", () => {
  const batch = batchOf([{ key: null, value: null, headers: [], timestampMs: 0 }], 0);
  batch.bytes.writeBigInt64BE(1_700_000_000_123_456_789n, 27);
  assert.equal(decodeRecords(batch)[0]?.timestamp, 1_700_000_000_123_456_789n);
});

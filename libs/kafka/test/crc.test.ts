import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Batch, buildBatch, HEADER_BYTES, stampBatch } from "../src/wire/batch.ts";
import { crc32c, patchCrc32c, rawCrc32c, shiftCrc32c, suffixCrc32c } from "../src/wire/crc.ts";
import { encodeRecords } from "../src/wire/record.ts";

const someBytes = fc.uint8Array({ minLength: 1, maxLength: 300 });

test("the checksum of the check string is the one of RFC 3720", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("a patched checksum is the computed one, wherever the change and whatever follows", () => {
  fc.assert(
    fc.property(someBytes, fc.infiniteStream(fc.nat(255)), fc.nat(5000), (old, noise, tail) => {
      const changed = old.map(() => Number(noise.next().value));
      const difference = old.map((byte, index) => byte ^ (changed[index] ?? 0));
      const rest = Buffer.alloc(tail, 0xa5);
      const before = crc32c(Buffer.concat([old, rest]));
      const after = crc32c(Buffer.concat([changed, rest]));
      assert.equal(patchCrc32c(before, difference, tail), after);
    }),
  );
});

test("zeros are shifted through as if they were fed, at every power of two", () => {
  for (const count of [0, 1, 2, 3, 255, 256, 65_535, 65_536, 1_048_576]) {
    assert.equal(shiftCrc32c(0x12345678, count), rawCrc32c(Buffer.alloc(count), 0x12345678));
  }
});

test("the checksum of a suffix follows from those of the whole and the prefix", () => {
  fc.assert(
    fc.property(someBytes, someBytes, (prefix, suffix) => {
      const whole = crc32c(Buffer.concat([prefix, suffix]));
      assert.equal(suffixCrc32c(whole, crc32c(prefix), suffix.length), crc32c(suffix));
    }),
  );
});

test("a stamped batch has the right checksum, keeps its payload and loses what was the source's", () => {
  const header = fc.record({
    producerId: fc.bigInt({ min: -1n, max: 2n ** 62n }),
    producerEpoch: fc.integer({ min: -1, max: 32_767 }),
    baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  });
  fc.assert(
    fc.property(header, header, fc.nat(0x7f), someBytes, (from, to, attributes, value) => {
      const record = { key: null, value: Buffer.from(value), headers: [], timestampMs: 5 };
      const payload = encodeRecords([record, record], 5);
      const bytes = buildBatch(payload, {
        ...from,
        codec: attributes & ~0x28,
        count: 2,
        baseTimestamp: 5n,
        maxTimestamp: 5n,
      });
      bytes.writeBigInt64BE(123n, 0);
      const sum = new Batch(bytes).payloadCrc;
      assert.equal(sum, crc32c(payload));
      stampBatch(bytes, to);
      const batch = new Batch(bytes);
      batch.verify("here");
      assert.equal(batch.payloadCrc, sum);
      assert.equal(batch.baseOffset, 0n);
      assert.equal(batch.isTransactional, false);
      assert.equal(batch.hasDeleteHorizon, false);
      assert.equal(batch.codec, attributes & 7);
      assert.deepEqual(
        [batch.producerId, batch.producerEpoch, batch.baseSequence],
        [to.producerId, to.producerEpoch, to.baseSequence],
      );
      assert.ok(batch.payload.equals(payload));
      assert.equal(batch.bytes.length, HEADER_BYTES + payload.length);
    }),
  );
});

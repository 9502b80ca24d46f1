import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HiveProtocolError } from "../src/index.ts";
import { messageSplitter } from "../src/message-splitter.ts";
import * as thrift from "../src/thrift.ts";

const BYTES_MAX = 1024 * 1024;

const value: fc.Arbitrary<thrift.Encoded> = fc.letrec<{ any: thrift.Encoded }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.boolean().map(thrift.bool),
    fc.integer({ min: -32768, max: 32767 }).map(thrift.i16),
    fc.integer().map(thrift.i32),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(thrift.i64),
    fc.string({ maxLength: 50 }).map((text) => thrift.bytes(text)),
    fc.array(fc.string({ maxLength: 9 })).map((texts) => {
      const encoded = texts.map((text) => thrift.bytes(text));
      return thrift.list(thrift.ttype.string, encoded);
    }),
    fc.dictionary(fc.string(), fc.string(), { maxKeys: 5 }).map(thrift.textMap),
    fc
      .array(tie("any"), { maxLength: 5 })
      .map((fields) => thrift.struct(Object.fromEntries(fields.entries()))),
  ),
})).any;

const message = fc
  .tuple(fc.string({ maxLength: 20 }), fc.nat(), value)
  .map(([name, sequence, field]) =>
    thrift.encodeMessage(thrift.messageType.reply, name, sequence, thrift.struct({ 0: field })),
  );

function chop(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

test("messages come out as they went in, however the stream is chopped", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 });
  const property = fc.property(fc.array(message), sizes, (messages, chunkSizes) => {
    const splitter = messageSplitter(BYTES_MAX);
    const chunks = chop(Buffer.concat(messages), chunkSizes);
    const out = chunks.flatMap((chunk) => splitter.push(chunk));
    assert.deepEqual(out, messages);
    for (const each of out) thrift.decodeMessage(each);
  });
  fc.assert(property, { numRuns: 300 });
});

test("damage is a typed error or a wait for more, never a hang or a stranger's error", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  const property = fc.property(message, damage, (bytes, spots) => {
    const damaged = Buffer.from(bytes);
    for (const [at, byte] of spots) damaged[at % damaged.length] = byte;
    try {
      for (const each of messageSplitter(BYTES_MAX).push(damaged)) thrift.decodeMessage(each);
    } catch (error) {
      assert.ok(error instanceof HiveProtocolError, String(error));
    }
  });
  fc.assert(property, { numRuns: 2_000 });
});

test("an answer beyond the limit is refused before it is held", () => {
  const big = thrift.encodeMessage(
    2,
    "FetchResults",
    1,
    thrift.struct({ 0: thrift.bytes("x".repeat(100)) }),
  );
  assert.throws(() => messageSplitter(50).push(big.subarray(0, 40)), /longer than 50 bytes/);
});

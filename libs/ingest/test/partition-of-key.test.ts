import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { murmur2, partitionOfKey } from "../src/publisher/partition-of-key.ts";

test("the hash is that of Kafka's own clients (the values of its UtilsTest)", () => {
  const known: readonly (readonly [string, number])[] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test("every key has a partition that exists", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 1_000 }), (key, partitions) => {
      const partition = partitionOfKey(Buffer.from(key), partitions);
      return Number.isInteger(partition) && partition >= 0 && partition < partitions;
    }),
  );
});

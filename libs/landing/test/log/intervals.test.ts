import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addRange,
  covers,
  firstHole,
  overlaps,
  rangesOf,
  type Bounds,
} from "../../src/log/intervals.ts";

const END = 40;
const ranges = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: END - 1 }), fc.integer({ min: 1, max: 8 }))
    .map(([from, length]) => ({ from: BigInt(from), to: BigInt(from + length) })),
  { maxLength: 12 },
);

test("a set of intervals is the set of its offsets", () => {
  fc.assert(
    fc.property(ranges, ranges, (added, asked) => {
      const bounds: Bounds = [];
      const offsets = new Set<bigint>();
      for (const range of added) {
        addRange(bounds, range);
        for (let at = range.from; at < range.to; at++) offsets.add(at);
      }
      const all = rangesOf(bounds);
      const told = all.flatMap(({ from, to }) =>
        Array.from({ length: Number(to - from) }, (_, index) => from + BigInt(index)),
      );
      assert.deepEqual(
        told,
        [...offsets].sort((a, b) => Number(a - b)),
      );
      // Sorted, apart, and none of them empty.
      for (const [index, { from, to }] of all.entries()) {
        assert.ok(from < to && (all[index + 1]?.from ?? to + 1n) > to);
      }
      for (const range of asked) {
        const inside = told.filter((offset) => offset >= range.from && offset < range.to).length;
        assert.equal(overlaps(bounds, range), inside > 0);
        assert.equal(covers(bounds, range), inside === Number(range.to - range.from));
      }
      let from = 0n;
      while (offsets.has(from)) from += 1n;
      const to = told.find((offset) => offset > from);
      assert.deepEqual(firstHole(bounds), to === undefined ? { from } : { from, to });
    }),
    { numRuns: 500 },
  );
});

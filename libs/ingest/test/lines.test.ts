import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { splitLines, type Line } from "../src/feeds/files/lines.ts";

async function linesOf(chunks: readonly Buffer[], keptMax = 1_000): Promise<Line[]> {
  async function* feed() {
    await Promise.resolve();
    yield* chunks;
  }
  const all: Line[] = [];
  for await (const lines of splitLines(feed(), keptMax)) all.push(...lines);
  return all;
}

test("lines are the same however the bytes are cut into chunks", async () => {
  const text = fc.array(fc.constantFrom("a", "é", "😀", "\n", "\r\n", "\r"), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (parts, size) => {
      const bytes = Buffer.from(parts.join(""));
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      const lines = await linesOf(chunks);
      const expected = bytes.toString("utf8").split("\n");
      if (expected.at(-1) === "") expected.pop();
      assert.deepEqual(
        lines.map(({ bytes: each }) => each.toString("utf8")),
        expected.map((each) => each.replace(/\r$/, "")),
      );
      lines.forEach(({ number, byteOffset, bytes: each }, index) => {
        assert.equal(number, index + 1);
        assert.deepEqual(bytes.subarray(byteOffset, byteOffset + each.length), each);
      });
    }),
  );
});

test("of a line that is too long only the beginning is held, with the checksum of the whole", async () => {
  const long = "x".repeat(2_500);
  const lines = await linesOf([
    Buffer.from(`a\n${long.slice(0, 1_500)}`),
    Buffer.from(`${long.slice(1_500)}\nb`),
  ]);
  assert.deepEqual(
    lines.map(({ bytes, length, byteOffset }) => [bytes.length, length, byteOffset]),
    [
      [1, 1, 0],
      [1_000, 2_500, 2],
      [1, 1, 2_503],
    ],
  );
  assert.equal(lines[1]?.sha256, createHash("sha256").update(long).digest("hex"));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { MalformedError } from "../src/errors.ts";
import { seededRandom } from "../src/testing/workload.ts";
import { compress, decompress } from "../src/wire/compression.ts";
import { FrameAssembler } from "../src/wire/frames.ts";
import { fuzz } from "./fuzz/run.ts";
import type { AttackName } from "./fuzz/attacks.ts";

// The long run is fuzz.it.test.ts; what is here takes a second.
const FRAMES = 3_000;
const LZ4_HEADER_BYTES = 7;

const claims: Readonly<Record<AttackName, string>> = {
  fetch: "damaged fetch answers raise typed errors or hold what was written",
  records: "damaged batches raise typed errors even when nobody checks the sum",
  answers: "damaged and random answers of every other kind raise typed errors or are read",
  stream: "a damaged stream of frames gives those before the damage and then a typed error",
};

for (const [name, claim] of Object.entries(claims)) {
  test(claim, () => {
    const count = fuzz({ frames: FRAMES, seed: 4711, only: name as AttackName });
    assert.ok(count.refused > 0 && count.read > 0);
    if (name !== "answers") assert.ok(count.compared > 0);
  });
}

test("what unpacks to more than half a gibibyte is refused before it takes the memory", () => {
  // 64 MiB of nothing in LZ4, its blocks ten times.
  const part = compress(3, Buffer.alloc(64 << 20));
  const blocks = part.subarray(LZ4_HEADER_BYTES, -4);
  const bombs: readonly (readonly [number, Buffer])[] = [
    [
      3,
      Buffer.concat([
        part.subarray(0, LZ4_HEADER_BYTES),
        ...Array<Buffer>(10).fill(blocks),
        Buffer.alloc(4),
      ]),
    ],
    // A snappy block of 9 bytes that says it will be 268,435,455.
    [2, Buffer.from("ffffff7f00aabbccdd", "hex")],
  ];
  for (const [codec, bytes] of bombs) {
    const before = process.resourceUsage().maxRSS;
    assert.throws(() => decompress(codec, bytes), MalformedError);
    // Kibibytes: far less than either would have taken.
    assert.ok(process.resourceUsage().maxRSS - before < 100 * 1024);
  }
});

test("frames arrive whole however the stream is cut, and impossible lengths are refused", () => {
  const random = seededRandom(5);
  const sent = Array.from({ length: 50 }, () => Buffer.alloc(4 + Math.floor(random() * 90_000), 7));
  const stream = Buffer.concat(
    sent.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(frame.length);
      return [length, frame];
    }),
  );
  const got: Buffer[] = [];
  const frames = new FrameAssembler(1 << 20, (frame) => got.push(frame));
  for (let at = 0; at < stream.length;) {
    const room = frames.room();
    const bytes = Math.min(room.length, stream.length - at, 1 + Math.floor(random() * 70_000));
    stream.copy(room, 0, at, at + bytes);
    frames.filled(bytes);
    at += bytes;
  }
  assert.deepEqual(
    got.map(({ length }) => length),
    sent.map(({ length }) => length),
  );
  assert.ok(got.every((frame, index) => frame.equals(sent[index] ?? frame)));
  assert.throws(() => frames.append(Buffer.from("HTTP/1.1 400")), /port is a Kafka listener/);
});

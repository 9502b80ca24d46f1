import assert from "node:assert/strict";
import { test } from "node:test";
import { LineDecoder } from "../src/feeds/x/line-decoder.ts";

/** Two kilobytes with characters of one to four bytes, and escapes. */
const text = "é 橋 🌊 👩‍👩‍👧‍👦 \\ud83d\\ude00 \\n ".repeat(40);
const post = Buffer.from(`{"data":{"id":"1","text":"${text}"}}`);

test("every byte position of a post of 2 kB as a chunk boundary gives the same bytes", () => {
  assert.ok(post.length > 2_000 && post.toString("utf8").length < post.length);
  const stream = Buffer.concat([post, Buffer.from("\r\n\r\n"), post, Buffer.from("\r\n")]);
  for (let at = 0; at <= stream.length; at++) {
    const decoder = new LineDecoder(10_000);
    const first = decoder.push(stream.subarray(0, at));
    const second = decoder.push(stream.subarray(at));
    const lines = [...first.lines, ...second.lines];
    assert.equal(lines.length, 2, `cut at ${at}`);
    for (const line of lines) assert.ok(line.equals(post), `cut at ${at}`);
    assert.equal(first.heartbeats + second.heartbeats, 1);
  }
});

test("the same a byte at a time, and with line feeds alone", () => {
  for (const end of ["\r\n", "\n"]) {
    const decoder = new LineDecoder(10_000);
    const stream = Buffer.from(`${post.toString("utf8")}${end}${end}`);
    const all = Array.from(stream, (byte) => decoder.push(Buffer.from([byte])));
    const lines = all.flatMap((each) => each.lines);
    assert.deepEqual(lines, [post]);
    assert.equal(all.filter(({ heartbeats }) => heartbeats === 1).length, 1);
  }
});

test("of a line that is too long only its length is held, and the next one is whole", () => {
  const decoder = new LineDecoder(100);
  for (let chunk = 0; chunk < 1_000; chunk++) {
    const { lines, oversized } = decoder.push(Buffer.alloc(1_000, 0x61));
    assert.deepEqual([...lines, ...oversized], []);
  }
  assert.equal(decoder.unfinishedBytes, 1_000_000);
  const { lines, oversized } = decoder.push(Buffer.from('x\r\n{"a":1}\r\n{"b"'));
  assert.deepEqual(lines.map(String), ['{"a":1}']);
  assert.deepEqual(oversized, [1_000_002]);
  assert.equal(decoder.unfinishedBytes, 4);
});

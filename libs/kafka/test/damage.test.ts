import assert from "node:assert/strict";
import { test } from "node:test";
import { HybridgeError } from "@hybridge/core";
import { randomRecords, seededRandom } from "../src/testing/workload.ts";
import { batchesOf, buildBatch } from "../src/wire/batch.ts";
import { compress } from "../src/wire/compression.ts";
import { readFetch } from "../src/wire/fetch.ts";
import { FrameAssembler } from "../src/wire/frames.ts";
import { readMetadata } from "../src/wire/metadata.ts";
import { readProduce } from "../src/wire/produce.ts";
import { scanRecords } from "../src/wire/raw-record.ts";
import { ProtocolReader } from "../src/wire/reader.ts";
import { decodeRecords, encodeRecords } from "../src/wire/record.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";

// KAFKA_FUZZ_FRAMES=1000000 is the long run; what is here takes a fraction of a second.
const FRAMES = Number(process.env["KAFKA_FUZZ_FRAMES"] ?? 2_000);

function goodFetch(records: Buffer): Buffer {
  const body = new ProtocolWriter().i32(0).i16(0).i32(77);
  body.array([0], (topic) => {
    topic.uuid("ab".repeat(16)).array([0], (item) => {
      item.i32(3).i16(0).i64(50n).i64(50n).i64(0n);
      item.array([1n], (entry, id) => entry.i64(id).i64(7n).noTags());
      item.i32(-1).compactBytes(records).noTags();
    });
    topic.noTags();
  });
  return Buffer.concat(body.noTags().chunks());
}

function goodBatch(codec: number, seed: number): Buffer {
  const list = randomRecords(seededRandom(seed), 20, 1_700_000_000_000);
  const base = list[0]?.timestampMs ?? 0;
  return buildBatch(compress(codec, encodeRecords(list, base)), {
    producerId: 4n,
    producerEpoch: 0,
    baseSequence: 0,
    codec,
    count: list.length,
    baseTimestamp: BigInt(base),
    maxTimestamp: BigInt(base + 20),
  });
}

test("damaged fetch answers raise typed errors or are caught by the checksum", () => {
  const random = seededRandom(20_261_123);
  const batches = [0, 1, 2, 3, 4].map((codec) => goodBatch(codec, codec + 1));
  const frames = batches.map((batch) => goodFetch(batch));
  const originals = new Set(batches.map((batch) => batch.readUInt32BE(17)));
  for (let count = 0; count < FRAMES; count++) {
    const good = frames[count % frames.length] ?? Buffer.alloc(0);
    let frame = Buffer.from(good);
    for (let flips = 0; flips <= random() * 3; flips++) {
      frame[Math.floor(random() * frame.length)] = Math.floor(random() * 256);
    }
    if (random() < 0.2) frame = frame.subarray(0, Math.floor(random() * frame.length));
    try {
      for (const answer of readFetch(new ProtocolReader(frame)).partitions) {
        for (const batch of batchesOf(answer.records)) {
          batch.verify("fuzz");
          // Whoever passes the checksum is one of the batches that went in, but for the bytes
          // outside of it: offset, epoch.
          assert.ok(originals.has(batch.crc));
          decodeRecords(batch);
        }
      }
    } catch (error) {
      assert.ok(error instanceof HybridgeError, `frame ${count}: ${String(error)}`);
    }
  }
});

test("damaged records raise typed errors even when nobody checks the sum", () => {
  const random = seededRandom(4711);
  const good = [0, 1, 2, 3, 4].map((codec) => goodBatch(codec, codec + 10));
  for (let count = 0; count < FRAMES; count++) {
    const bytes = Buffer.from(good[count % good.length] ?? Buffer.alloc(61));
    bytes[21 + Math.floor(random() * (bytes.length - 21))] = Math.floor(random() * 256);
    for (const decode of [decodeRecords, scanRecords]) {
      try {
        for (const batch of batchesOf(bytes)) decode(batch);
      } catch (error) {
        assert.ok(error instanceof HybridgeError, `batch ${count}: ${String(error)}`);
      }
    }
  }
});

test("random bytes are no metadata and no produce answer", () => {
  const random = seededRandom(99);
  for (let count = 0; count < FRAMES; count++) {
    const frame = Buffer.from(
      Array.from({ length: Math.floor(random() * 80) }, () => random() * 256),
    );
    for (const read of [readMetadata, readProduce]) {
      try {
        read(new ProtocolReader(frame));
      } catch (error) {
        assert.ok(error instanceof HybridgeError, `frame ${count}: ${String(error)}`);
      }
    }
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

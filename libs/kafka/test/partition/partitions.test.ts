import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartitionFailure, PartitionResult } from "../../src/partition/api.ts";
import { PartitionSource } from "../../src/partition/partitions.ts";
import { codecNames } from "../../src/wire/compression.ts";
import { FakeLogs } from "./fake-logs.ts";

function open(logs: FakeLogs, bufferBytesMax?: number) {
  const source = new PartitionSource(
    {
      cluster: { bootstrap: "fake:1", clientId: "fake" },
      topic: "t",
      signal: AbortSignal.timeout(20_000),
      emit: () => undefined,
      ...(bufferBytesMax === undefined ? {} : { bufferBytesMax }),
    },
    logs.cluster,
  );
  const results = source[Symbol.asyncIterator]();
  return {
    source,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    /** The next result, but for those that only tell an end. */
    next: async (): Promise<PartitionResult> => {
      for (;;) {
        const step = await results.next();
        if (step.done === true) assert.fail("the results ended");
        const result = step.value;
        if (result.kind === "failed" || result.records.length > 0) return result;
      }
    },
  };
}

function textOf(result: PartitionResult): string {
  if (result.kind === "failed") return `${result.partition} ${result.reason} ${result.position}`;
  const values = result.records.map(({ value }) => String(value));
  return `${result.partition}: ${values.join(" ")} -> ${result.nextOffset}`;
}

function failed(result: PartitionResult): PartitionFailure {
  assert.equal(result.kind, "failed", textOf(result));
  return result;
}

test("partitions come and go while it runs; earliest is the first that the log has", async () => {
  const logs = new FakeLogs(3);
  for (const log of logs.logs) log.append("a", "b", "c");
  logs.logs[1]?.append("d");
  logs.logs[1]?.truncateTo(3n);
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 1n);
  assert.equal(textOf(await next()), "0: b c -> 3");
  source.add(1, "earliest");
  assert.equal(textOf(await next()), "1: d -> 4");
  source.remove(0);
  logs.logs[0]?.append("e");
  source.add(2, -1n);
  assert.equal(textOf(await next()), "2: a b c -> 3");
  logs.logs[1]?.append("f");
  logs.changed();
  assert.equal(textOf(await next()), "1: f -> 5");
  source.add(0, 2n);
  assert.equal(textOf(await next()), "0: c e -> 4");
});

test("offsets that are gone stop their partition alone, with the exact gap", async () => {
  const logs = new FakeLogs(2);
  for (const log of logs.logs) log.append("a", "b", "c", "d");
  logs.logs[0]?.append("e");
  logs.logs[0]?.truncateTo(4n);
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 2n);
  source.add(1, 0n);
  const both = [await next(), await next()];
  assert.deepEqual(both.map(textOf).sort(), ["0 out-of-range 2", "1: a b c d -> 4"]);
  const failure = failed(both.find(({ kind }) => kind === "failed") as PartitionResult);
  assert.deepEqual([failure.startOffset, failure.endOffset], [4n, 5n]);
  source.add(0, failure.startOffset ?? 0n);
  assert.equal(textOf(await next()), "0: e -> 5");
});

test("a corrupt batch is read twice, then stops its partition behind all that is good", async () => {
  const logs = new FakeLogs(2);
  const [broken, good] = logs.logs;
  assert.ok(broken && good);
  broken.append("a", "b");
  broken.append("c", "d");
  broken.append("e");
  good.append("x");
  const bytes = broken.batches[1];
  assert.ok(bytes);
  bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  assert.equal(textOf(await next()), "0: a b -> 2");
  const failure = failed(await next());
  assert.equal(textOf(failure), "0 corrupt 2");
  assert.equal(failure.skipTo, 4n);
  source.add(1, 0n);
  assert.equal(textOf(await next()), "1: x -> 1");
  source.add(0, failure.skipTo ?? 0n);
  assert.equal(textOf(await next()), "0: e -> 5");
});

test("a batch that was damaged on its way only is read again, and nothing is told", async () => {
  const logs = new FakeLogs(1);
  const [log] = logs.logs;
  assert.ok(log);
  log.append("a");
  const [bytes] = log.batches;
  assert.ok(bytes);
  const byte = bytes.at(-2) ?? 0;
  bytes[bytes.length - 2] = byte ^ 1;
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  const result = next();
  for (let reads = 0; reads < 1; reads = logs.named.length) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  bytes[bytes.length - 2] = byte;
  assert.equal(textOf(await result), "0: a -> 1");
});

test("a batch whose frame is damaged stops its partition behind what is before it", async () => {
  const logs = new FakeLogs(1);
  const [log] = logs.logs;
  assert.ok(log);
  log.append("a");
  log.append("b");
  log.batches[1]?.writeInt32BE(3, 8);
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  assert.equal(textOf(await next()), "0: a -> 1");
  assert.equal(textOf(await next()), "0 corrupt 1");
});

test("a topic that was made again is told by its ids, also to one who knew only the old id", async () => {
  const logs = new FakeLogs(1);
  logs.logs[0]?.append("a");
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  assert.equal(textOf(await next()), "0: a -> 1");
  const former = logs.topicId;
  logs.recreate("cd".repeat(16));
  const failure = failed(await next());
  assert.equal(textOf(failure), "0 recreated 1");
  assert.equal(failure.topicId, "cd".repeat(16));
  source.add(0, 1n, former);
  assert.equal(textOf(await next()), "0 recreated 1");
});

test("a missing right stops its partition, and passing errors none", async () => {
  const logs = new FakeLogs(2);
  for (const log of logs.logs) log.append("a");
  const [first, second] = logs.logs;
  assert.ok(first && second);
  first.error = 29;
  second.error = -1;
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  source.add(1, 0n);
  assert.equal(textOf(await next()), "0 not-authorized 0");
  second.error = 0;
  assert.equal(textOf(await next()), "1: a -> 1");
});

test("what is paused is held back, and others go on; nothing is lost when it goes on", async () => {
  const logs = new FakeLogs(2);
  for (const log of logs.logs) log.append("a");
  await using reading = open(logs);
  const { source, next } = reading;
  source.add(0, 0n);
  source.add(1, 0n);
  const first = await next();
  const [paused, other] = first.partition === 0 ? [0, 1] : [1, 0];
  source.pause(paused);
  assert.equal(textOf(await next()), `${other}: a -> 1`);
  for (const log of logs.logs) log.append("b");
  logs.changed();
  assert.equal(textOf(await next()), `${other}: b -> 2`);
  source.resume(paused);
  assert.equal(textOf(await next()), `${paused}: b -> 2`);
});

test("paused partitions never fill the buffer of the others, and come back whole", async () => {
  const logs = new FakeLogs(3);
  const big = "x".repeat(6_000);
  for (const log of logs.logs) for (let at = 0; at < 5; at++) log.append(big);
  await using reading = open(logs, 16_000);
  const { source, next } = reading;
  for (const partition of [0, 1, 2]) source.add(partition, 0n);
  const seen = [0n, 0n, 0n];
  const note = (result: PartitionResult) => {
    assert.ok(result.kind === "batch");
    const { partition, from, nextOffset } = result;
    assert.equal(from, seen[partition], "neither twice nor left out");
    seen[partition] = nextOffset;
  };
  note(await next());
  source.pause(0);
  source.pause(1);
  while (seen[2] !== 5n) note(await next());
  source.resume(0);
  source.resume(1);
  while (seen.some((offset) => offset !== 5n)) note(await next());
});

test("a request names what changed, not all partitions", async () => {
  const logs = new FakeLogs(500);
  await using reading = open(logs);
  const { source, next } = reading;
  for (let partition = 0; partition < 500; partition++) source.add(partition, 0n);
  logs.logs[7]?.append("a");
  logs.changed();
  assert.equal(textOf(await next()), "7: a -> 1");
  logs.logs[8]?.append("b");
  logs.changed();
  assert.equal(textOf(await next()), "8: b -> 1");
  const whole = logs.named.lastIndexOf(500);
  assert.ok(
    logs.named.slice(whole + 1).every((count) => count <= 2),
    logs.named.join(" "),
  );
});

test("what was unpacked is freed with the next step; what is of a frame is not, as others share it", async () => {
  const logs = new FakeLogs(2);
  const long = "x".repeat(10_000);
  const [zstd, lz4] = [codecNames.indexOf("zstd"), codecNames.indexOf("lz4")];
  logs.logs[0]?.append("plain");
  logs.logs[1]?.appendPacked(lz4, "a", long);
  logs.logs[1]?.appendPacked(zstd, "b", long);
  await using reading = open(logs, 1 << 20);
  reading.source.add(0, 0n);
  const plain = await reading.next();
  reading.source.add(1, 0n);
  const packed = await reading.next();
  assert.equal(textOf(plain), "0: plain -> 1");
  assert.equal(textOf(packed), `1: a ${long} b ${long} -> 4`);
  logs.logs[0]?.append("more");
  logs.changed();
  assert.equal(textOf(await reading.next()), "0: more -> 2");
  assert.ok(packed.kind === "batch");
  const lengths = packed.records.map(({ value }) => value?.length);
  assert.deepEqual(lengths.slice(0, 2), [0, 0], "the memory of the LZ4 batch is held");
  assert.equal(textOf(plain), "0: plain -> 1");
});

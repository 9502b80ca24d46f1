import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { systemClock } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openDeadLetters } from "../src/dead-letters.ts";
import { openReplay, type ReplayOptions } from "../src/feeds/files/replay-feed.ts";
import { openSink } from "../src/feeds/sink.ts";
import { openSpool } from "../src/spool/spool.ts";
import { folder } from "./ingest-into.ts";

const line = (id: number) => `{"id_str":"${id}","text":"post ${id}"}\n`;

/** A replay into a spool that lasts, as a process that is started again sees it. */
async function replaying(t: TestContext, dir: string, options: Partial<ReplayOptions>) {
  const events = collectEvents();
  const deadLetters = await openDeadLetters({
    dir,
    onWritten: () => undefined,
    onWait: () => undefined,
  });
  const spool = await openSpool({
    dir: join(dir, "spool"),
    bytesMax: 10_000_000,
    syncMs: 0,
    onWait: () => undefined,
    onTorn: () => undefined,
  });
  const feed = await openReplay({
    files: [],
    next: "follow",
    posts: 0,
    rate: 0,
    seed: 1,
    epochMs: 0,
    postBytesMax: 10_000,
    lastsInTopic: () => Promise.resolve(new Map([[0, new Map()]])),
    partitions: () => 1,
    emit: events.emit,
    clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(5, signal) },
    ...options,
  });
  const sink = openSink(feed, {
    spool,
    deadLetters,
    postBytesMax: 10_000,
    onKept: () => undefined,
    onDropped: () => undefined,
  });
  const stop = new AbortController();
  const running = feed.run(sink, stop.signal);
  const keys: string[] = [];
  const reading = (async () => {
    for await (const { records } of spool.read(0, stop.signal)) {
      keys.push(...records.map(({ key }) => key.toString()));
    }
  })().catch(() => undefined);
  const close = async () => {
    stop.abort(new DOMException("stopped", "AbortError"));
    await running.catch(() => undefined);
    await reading;
    await spool[Symbol.asyncDispose]();
    await deadLetters[Symbol.asyncDispose]();
  };
  let isClosed = false;
  t.after(async () => {
    if (!isClosed) await close();
  });
  return {
    running,
    events,
    /** Waits for so many keys. */
    async keys(count: number) {
      while (keys.length < count) await systemClock.sleep(5, stop.signal);
      return [...keys];
    },
    async close() {
      isClosed = true;
      await close();
      return [...keys];
    },
  };
}

test("a file is followed line by line, through rotation and cuts, and on after a restart", async (t) => {
  const dir = folder(t);
  const path = join(dir, "posts.ndjson");
  const first = await replaying(t, dir, { files: [path] });
  writeFileSync(path, line(1) + line(2) + line(3).slice(0, 10));
  assert.deepEqual(await first.keys(2), ["1", "2"]);
  appendFileSync(path, line(3).slice(10));
  await first.keys(3);
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, line(4));
  writeFileSync(path, line(5) + line(50));
  await first.keys(6);
  truncateSync(path, 0);
  appendFileSync(path, line(6));
  const all = ["1", "2", "3", "4", "5", "50", "6"];
  assert.deepEqual(await first.keys(7), all);
  await first.close();
  appendFileSync(path, line(7));
  const second = await replaying(t, dir, { files: [path] });
  await second.keys(8);
  appendFileSync(path, line(8));
  await second.keys(9);
  assert.deepEqual(await second.close(), [...all, "7", "8"]);
});

test("a folder is followed: new files, packed ones, and one that holds something else", async (t) => {
  const dir = folder(t);
  const inbox = join(dir, "in");
  mkdirSync(inbox);
  writeFileSync(join(inbox, "a.ndjson"), line(1));
  const run = await replaying(t, dir, { files: [inbox] });
  await run.keys(1);
  writeFileSync(join(inbox, "image.bin"), Buffer.from("504b0304140000000800", "hex"));
  writeFileSync(join(inbox, ".hidden"), line(99));
  writeFileSync(join(inbox, "b.gz.part"), "");
  writeFileSync(join(inbox, "c.gz"), gzipSync(line(2) + line(3)));
  await run.keys(3);
  appendFileSync(join(inbox, "a.ndjson"), line(4));
  await run.keys(4);
  assert.deepEqual((await run.close()).sort(), ["1", "2", "3", "4"]);
  assert.ok(run.events.names().includes("replay.file_skipped"));
});

test("a loop sends the files again, and goes on in the round that it was in", async (t) => {
  const dir = folder(t);
  const path = join(dir, "posts.ndjson");
  writeFileSync(path, line(1) + line(2));
  const first = await replaying(t, dir, { files: [path], next: "loop" });
  await first.keys(6);
  const before = await first.close();
  assert.deepEqual(before.slice(0, 6), ["1", "2", "1", "2", "1", "2"]);
  const second = await replaying(t, dir, { files: [path], next: "loop" });
  await second.keys(before.length + 4);
  const keys = await second.close();
  assert.ok(
    keys.every((key, at) => key === String((at % 2) + 1)),
    keys.join(" "),
  );
});

test("the standard input is read to its end, and folders in the order of their names", async (t) => {
  const dir = folder(t);
  const inbox = join(dir, "in");
  mkdirSync(inbox);
  writeFileSync(join(inbox, "b"), line(2));
  writeFileSync(join(inbox, "a"), line(1));
  const stdin = Readable.from([
    Buffer.from(line(3) + line(4).slice(0, 5)),
    Buffer.from(line(4).slice(5)),
  ]);
  const run = await replaying(t, dir, { files: [inbox, "-"], next: "end", stdin });
  await run.running;
  assert.deepEqual(await run.keys(4), ["1", "2", "3", "4"]);
  await run.close();
});

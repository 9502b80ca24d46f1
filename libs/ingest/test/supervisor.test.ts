import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ConfigError, RateMeter, systemClock, UnavailableError } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openDeadLetters } from "../src/dead-letters.ts";
import type { Feed, FeedSink } from "../src/feeds/feed.ts";
import { openSink } from "../src/feeds/sink.ts";
import { FeedSupervisor, UnknownFeedError } from "../src/feeds/supervisor.ts";
import { openSpool } from "../src/spool/spool.ts";
import { folder } from "./ingest-into.ts";

function feedOf(name: string, run: (sink: FeedSink, signal: AbortSignal) => Promise<void>): Feed {
  return {
    name,
    source: "push",
    whenFull: "wait",
    status: () => ({ state: "STREAMING", detail: "" }),
    run,
  };
}

async function supervise(t: TestContext, feeds: readonly Feed[]) {
  const dir = folder(t);
  const events = collectEvents();
  const deadLetters = await openDeadLetters({
    dir,
    onWritten: () => undefined,
    onWait: () => undefined,
  });
  const spool = await openSpool({
    dir: join(dir, "spool"),
    bytesMax: 1_000_000,
    syncMs: 0,
    onWait: () => undefined,
    onTorn: () => undefined,
  });
  t.after(async () => {
    await spool[Symbol.asyncDispose]();
    await deadLetters[Symbol.asyncDispose]();
  });
  const options = { spool, deadLetters, postBytesMax: 1_000, onDropped: () => undefined };
  const withSinks = feeds.map((feed) => {
    const meter = new RateMeter();
    return {
      feed,
      meter,
      sink: openSink(feed, { ...options, onKept: (count) => meter.add(count) }),
    };
  });
  const supervisor = new FeedSupervisor({
    feeds: withSinks,
    emit: events.emit,
    clock: { ...systemClock, sleep: () => Promise.resolve() },
  });
  return { supervisor, spool, events };
}

const item = (id: string) => ({ bytes: Buffer.from(`{"id_str":"${id}","text":"x"}`) });

test("a feed that fails is run again where it was, and one that cannot be cured ends alone", async (t) => {
  const seen: (string | undefined)[] = [];
  const failing = feedOf("failing", async (sink, signal) => {
    seen.push(sink.cursor());
    const next = String(Number(sink.cursor() ?? "0") + 1);
    await sink.append({ items: [item(next)], cursor: next }, signal);
    if (next !== "3") throw new UnavailableError("away");
  });
  const hopeless = feedOf("hopeless", () => Promise.reject(new ConfigError("never")));
  const { supervisor, spool, events } = await supervise(t, [failing, hopeless]);
  await assert.rejects(supervisor.run(new AbortController().signal), /never/);
  assert.deepEqual(seen, [undefined, "1", "2"]);
  assert.equal(spool.status().nextOrdinal, 3);
  assert.deepEqual(
    supervisor.feeds().map(({ name, state, counts }) => [name, state, counts.posts]),
    [
      ["failing", "STREAMING", 3],
      ["hopeless", "FAILED", 0],
    ],
  );
  assert.deepEqual(events.names().sort(), ["feed.failed", "feed.retried", "feed.retried"]);
});

test("a paused feed is stopped, and goes on behind its cursor when it is resumed", async (t) => {
  const started: (string | undefined)[] = [];
  const kept = Promise.withResolvers<undefined>();
  const feed = feedOf("live", async (sink, signal) => {
    started.push(sink.cursor());
    if (started.length === 2) return;
    await sink.append({ items: [item("1")], cursor: "c1" }, signal);
    kept.resolve(undefined);
    await once(signal, "abort");
    throw signal.reason;
  });
  const { supervisor } = await supervise(t, [feed]);
  const running = supervisor.run(new AbortController().signal);
  await kept.promise;
  assert.throws(() => supervisor.pause("other"), UnknownFeedError);
  supervisor.pause("live");
  assert.equal(supervisor.feeds()[0]?.state, "PAUSED");
  supervisor.resume("live");
  await running;
  assert.deepEqual(started, [undefined, "c1"]);
});

test("what makes the spool unusable ends all feeds", async (t) => {
  const waiting = feedOf("waiting", async (_sink, signal) => {
    await once(signal, "abort");
  });
  const stop = new AbortController();
  const writing = feedOf("writing", async (sink, signal) => {
    await openSpool({
      dir,
      bytesMax: 1_000_000,
      syncMs: 0,
      onWait: () => undefined,
      onTorn: () => undefined,
    });
    await sink.append({ items: [item("1")], cursor: "c" }, signal);
  });
  let dir = "";
  const { supervisor, spool } = await supervise(t, [waiting, writing]);
  dir = spool.dir;
  await assert.rejects(supervisor.run(stop.signal), /owner/);
  stop.abort();
});

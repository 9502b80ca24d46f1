import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { collectEvents } from "@hybridge/core/testing";
import { openDeadLetters } from "../src/dead-letters.ts";
import { openPush, type PushOptions } from "../src/feeds/push/push-feed.ts";
import { openSink } from "../src/feeds/sink.ts";
import { openSpool } from "../src/spool/spool.ts";
import { folder } from "./ingest-into.ts";

const post = (id: number) => `{"id_str":"${id}","text":"post ${id}"}`;

/** A push feed over a spool of its own. */
async function serve(
  t: TestContext,
  options: Partial<PushOptions> & { spoolBytesMax?: number } = {},
) {
  const dir = folder(t);
  const events = collectEvents();
  const deadLetters = await openDeadLetters({
    dir,
    onWritten: () => undefined,
    onWait: () => undefined,
  });
  const spool = await openSpool({
    dir: join(dir, "spool"),
    bytesMax: options.spoolBytesMax ?? 10_000_000,
    syncMs: 10_000,
    onWait: () => undefined,
    onTorn: () => undefined,
  });
  const listening = Promise.withResolvers<string>();
  const feed = openPush({
    host: "127.0.0.1",
    port: 0,
    token: () => "secret",
    bodyBytesMax: 1_000_000,
    postBytesMax: 1_000,
    emit: (event) => {
      events.emit(event);
      if (event.name === "push.listening") listening.resolve(String(event.fields?.["address"]));
    },
    ...options,
  });
  const sink = openSink(feed, {
    spool,
    deadLetters,
    postBytesMax: 1_000,
    onKept: () => undefined,
    onDropped: () => undefined,
  });
  const stop = new AbortController();
  const running = feed.run(sink, stop.signal);
  t.after(async () => {
    stop.abort();
    await running.catch(() => undefined);
    await spool[Symbol.asyncDispose]();
    await deadLetters[Symbol.asyncDispose]();
  });
  const url = await listening.promise;
  const send = async (body: string, token = "secret") => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: "POST", headers, body });
    return { code: response.status, said: (await response.json()) as Record<string, unknown> };
  };
  return { url, send, spool, sink };
}

test("posts are answered when they are in the spool, and a repeated request adds nothing", async (t) => {
  const { send, spool, sink } = await serve(t);
  const body = `${post(1)}\n${post(2)}\r\n\nno json\n{"id_str":"3","text":"${"x".repeat(2_000)}"}\n${post(4)}`;
  assert.deepEqual(await send(body), { code: 200, said: { lines: 5, records: 3 } });
  assert.deepEqual(await send(body), { code: 200, said: { lines: 5, records: 0 } });
  spool.finish();
  const keys: string[] = [];
  for await (const { records, source } of spool.read(0, new AbortController().signal)) {
    assert.equal(source, "push");
    keys.push(...records.map(({ key }) => key.toString()));
  }
  assert.deepEqual(keys, ["1", "2", "4"]);
  const [counts] = sink.counts();
  assert.deepEqual([counts?.posts, counts?.duplicates, counts?.unreadable], [3, 3, 4]);
});

test("without the token, elsewhere, otherwise and too large nothing is taken", async (t) => {
  const { url, send, spool } = await serve(t, { bodyBytesMax: 5_000 });
  assert.equal((await send(post(1), "wrong")).code, 401);
  assert.equal((await fetch(url, { method: "POST", body: post(1) })).status, 401);
  assert.equal((await fetch(url)).status, 405);
  assert.equal((await fetch(new URL("/other", url))).status, 404);
  assert.equal((await send(`${post(1)}\n`.repeat(500))).code, 413);
  assert.equal((await send("")).code, 200);
  assert.ok(spool.status().nextOrdinal <= 1);
});

test("a full spool is told, with when to come again", async (t) => {
  const { send } = await serve(t, { spoolBytesMax: 20_000 });
  const posts = (from: number) =>
    Array.from(
      { length: 20 },
      (_, at) => `{"id_str":"${from + at}","text":"${"x".repeat(200)}"}`,
    ).join("\n");
  let code = 200;
  let from = 0;
  while (code === 200) {
    code = (await send(posts(from))).code;
    from += 20;
  }
  assert.equal(code, 503);
  assert.ok(from > 40 && from < 200, `${from} posts`);
});

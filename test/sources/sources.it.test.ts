// The feeds as they run, with their real clients, against the simulators over real HTTP and WebSockets.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { Secret, systemClock } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import type { Feed } from "@hybridge/ingest";
import { openBlueskyFeed, openWebSocketTransport } from "@hybridge/ingest/bluesky";
import {
  compileRules,
  openTwitterTransport,
  openXFeed,
  XConnectionError,
  xPlans,
  type ReadsOfMonth,
  type XCredentials,
} from "@hybridge/ingest/x";
import { seededRandom } from "@hybridge/kafka/testing";
import { serveJetstream } from "./jetstream/jetstream-server.ts";
import { isRecord, Network, type Happening } from "./jetstream/network-log.ts";
import { MadePosts } from "./made-posts.ts";
import { MemorySink } from "./memory-sink.ts";
import { serveX } from "./x/x-server.ts";

const TOKEN = "a-bearer-token-that-nobody-may-see";

/** A feed that runs until the test ends. */
function running(feed: Feed, sink: MemorySink): AsyncDisposable {
  const life = new AbortController();
  const run = feed.run(sink, life.signal).catch((error: unknown) => {
    if (!life.signal.aborted) throw error;
  });
  return {
    async [Symbol.asyncDispose]() {
      life.abort(new DOMException("stopped", "AbortError"));
      await run;
    },
  };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!isSo()) {
    assert.ok(!limit.aborted, `not so after 60 s: ${what}`);
    await systemClock.sleep(10);
  }
}

function xFeed(url: string, credentials: XCredentials, readsMax = 0) {
  const events = collectEvents();
  let kept: ReadsOfMonth | undefined;
  const plan = xPlans["pay-per-use"];
  const filter = { keywords: ["kafka"], users: [], languages: [], rules: [] };
  const feed = openXFeed(
    {
      transport: openTwitterTransport({ baseUrl: url, credentials }),
      plan,
      rules: compileRules(filter, plan),
      tag: "hybridge",
      readsMax,
      readsResetDay: 1,
      readsStore: {
        load: () => Promise.resolve(kept),
        save: (reads) => Promise.resolve(void (kept = reads)),
      },
      lineBytesMax: 1_000_000,
    },
    { emit: events.emit, clock: systemClock, random: Math.random },
  );
  return { feed, events };
}

const bearer = { bearerToken: Secret.of(TOKEN) };

test("X: every byte of a post of 2 kB as the end of a chunk over HTTP, and the bytes are the same", async () => {
  let at = 0;
  const cut = (bytes: Buffer) => [bytes.subarray(0, at), bytes.subarray(at)];
  await using x = await serveX({ token: TOKEN, plan: "pay-per-use" }, cut);
  const { feed } = xFeed(x.url, bearer);
  const sink = new MemorySink();
  await using _run = running(feed, sink);
  await until("streaming", () => feed.status().state === "STREAMING");
  const text = "é 橋 🌊 👩‍👩‍👧‍👦 \\ud83d\\ude00 ".repeat(40);
  const sent: string[] = [];
  let length = Infinity;
  for (at = 0; at < length + 2; at++) {
    const json = `{"data":{"id":"${1_000_000 + at}","text":"${text}"}}`;
    length = Buffer.byteLength(json);
    sent.push(json.slice(0, -1));
    x.simulator.publish(json);
  }
  await until("the posts", () => sink.records.length === sent.length);
  assert.ok(sent.length > 2_000);
  for (const [index, { bytes }] of sink.records.entries()) {
    assert.ok(bytes.toString("utf8").startsWith(sent[index] ?? "?"), `cut at ${index}`);
  }
  assert.deepEqual(sink.unreadable, []);
});

test("X: rules, the token for the app's keys, a stream that breaks, and one that X ends", async () => {
  const consumer = { key: "key", secret: "a-secret-that-nobody-may-see" };
  await using x = await serveX({ token: TOKEN, plan: "pay-per-use", consumer });
  x.simulator.addForeignRule("theirs", "other program");
  const keys = { consumerKey: Secret.of("key"), consumerSecret: Secret.of(consumer.secret) };
  const { feed, events } = xFeed(x.url, keys);
  const sink = new MemorySink();
  const posts = new MadePosts(5, "x.v2");
  await using _run = running(feed, sink);
  for (const [index, how] of (["mid-line", "reset", "end", "message"] as const).entries()) {
    await until("streaming", () => x.simulator.connections === 1);
    x.simulator.publish(posts.next(Date.now()));
    await until("the post", () => sink.records.length === index + 1);
    x.simulator.disconnect(how);
    await until(
      "the end",
      () => events.names().filter((name) => name === "x.stream_ended").length > index,
    );
  }
  assert.deepEqual(
    x.simulator.rules.map(({ value, tag }) => [value, tag]),
    [
      ["theirs", "other program"],
      ["kafka", "hybridge"],
    ],
  );
  const added = await feed.rules?.change(
    { add: [{ value: "cats" }], remove: [] },
    AbortSignal.timeout(5_000),
  );
  assert.deepEqual(
    added?.map(({ value }) => value),
    ["kafka", "cats"],
  );
  await assert.rejects(
    feed.rules?.change({ add: [{ value: "lang:en" }], remove: [] }, AbortSignal.timeout(5_000)) ??
      Promise.resolve(),
    /X does not take a rule; nothing was changed:\n {2}lang:en: Invalid Rule/,
  );
  assert.deepEqual(x.simulator.violations, []);
  assert.match(feed.status().lastDisconnect?.reason ?? "", /operational-disconnect/);
});

test("X: no secret is in an event, an error or a status, whatever X answers", async () => {
  await using x = await serveX({ token: "another token", plan: "pay-per-use" });
  const { feed, events } = xFeed(x.url, bearer);
  const sink = new MemorySink();
  {
    await using _run = running(feed, sink);
    await until("refused", () => events.names().includes("x.stream_ended"));
    assert.match(feed.status().detail, /answered 401 .* check the token/);
  }
  const { feed: lost, events: others } = xFeed("http://127.0.0.1:1", bearer);
  {
    await using _run = running(lost, sink);
    await until("refused", () => others.names().includes("x.stream_ended"));
    assert.match(lost.status().detail, /ECONNREFUSED/);
  }
  const all = [...events.events, ...others.events];
  const shown = inspect([all, feed.status(), lost.status()], { depth: 20, showHidden: true });
  assert.ok(all.some(({ error }) => error instanceof Error));
  assert.ok(!shown.includes(TOKEN) && !JSON.stringify(all).includes(TOKEN));
});

test("X: a server that takes the connection and says nothing is given up", async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;
  const transport = openTwitterTransport({ baseUrl, credentials: bearer, answerMsMax: 200 });
  const { signal } = new AbortController();
  await assert.rejects(transport.openStream({ backfillMinutes: 0 }, signal), XConnectionError);
  await assert.rejects(transport.listRules(signal), XConnectionError);
  silent.close();
  silent.closeAllConnections();
});

test("X: the bound of posts a month ends the stream, and says so", async () => {
  await using x = await serveX({ token: TOKEN, plan: "pay-per-use" });
  const { feed, events } = xFeed(x.url, bearer, 3);
  const sink = new MemorySink();
  const posts = new MadePosts(6, "x.v2");
  await using _run = running(feed, sink);
  await until("streaming", () => x.simulator.connections === 1);
  for (let post = 0; post < 3; post++) x.simulator.publish(posts.next(Date.now()));
  await until("used up", () => events.names().includes("x.reads_used_up"));
  await until("the end of the connection", () => x.simulator.connections === 0);
  assert.equal(sink.records.length, 3);
  assert.equal(feed.status().readsLeft, 0);
  assert.match(feed.status().detail, /3 posts were read from X this month/);
});

function blueskyFeed(
  endpoints: readonly string[],
  apiUrl: string,
  authors: readonly string[] = [],
) {
  const events = collectEvents();
  const feed = openBlueskyFeed(
    {
      transport: openWebSocketTransport({ apiUrl, frameBytesMax: 1_000_000 }),
      endpoints,
      keywords: [],
      languages: [],
      authors,
      frameBytesMax: 1_000_000,
    },
    { emit: events.emit, clock: systemClock, random: () => 0 },
  );
  return { feed, events };
}

test("Jetstream: ends of every kind, a slow sink, another instance; every event comes once", async () => {
  await using east = await serveJetstream({ firstSeq: 10, delayMs: 0 });
  await using west = await serveJetstream({ firstSeq: 90_000, delayMs: 20 });
  const network = new Network(7, seededRandom(7));
  let slowMs = 0;
  const sink = new MemorySink(() => systemClock.sleep(slowMs));
  const { feed, events } = blueskyFeed([east.url, west.url], east.apiUrl);
  await using _run = running(feed, sink);
  await until("streaming", () => feed.status().state === "STREAMING");
  const happened: Happening[] = [];
  const happen = (times: number) => {
    for (let time = 0; time < times; time++) {
      const happening = network.happen(Date.now());
      happened.push(happening);
      for (const { instance } of [east, west]) instance.see(happening);
    }
  };
  const expected = () => happened.filter(isRecord).length;
  for (const how of ["going away", "reset", "too slow"] as const) {
    happen(200);
    await until("the events", () => sink.records.length === expected());
    east.instance.disconnect(how);
    happen(200);
  }
  await until("the events", () => sink.records.length === expected());
  slowMs = 20;
  happen(3_000);
  await until("the events", () => sink.records.length === expected());
  slowMs = 0;
  east.instance.isUnavailable = true;
  east.instance.disconnect("going away");
  happen(200);
  await until("the events", () => sink.records.length === expected());
  // The first try after it goes on where the number is known; the answer is the instance's own.
  west.instance.isUnavailable = true;
  west.instance.disconnect("reset");
  await until("an answer", () =>
    events.events.some(({ message }) => message.includes("503 (Serv")),
  );
  west.instance.isUnavailable = false;
  happen(200);
  await until("the events", () => sink.records.length === expected());
  assert.equal((JSON.parse(sink.cursor() ?? "{}") as { endpoint: string }).endpoint, west.url);
  assert.deepEqual([...east.instance.violations, ...west.instance.violations], []);
  assert.deepEqual(sink.unreadable, []);
});

test("Jetstream: authors by handle, and a handle that is nobody's", async () => {
  const network = new Network(8, seededRandom(8));
  const happened = Array.from({ length: 500 }, () => network.happen(Date.now()));
  const { did = "" } = happened[0] ?? {};
  await using server = await serveJetstream(
    { firstSeq: 1, delayMs: 0 },
    { "ann.example.com": did },
  );
  const sink = new MemorySink();
  const { feed } = blueskyFeed([server.url], server.apiUrl, ["@ann.example.com"]);
  {
    await using _run = running(feed, sink);
    await until("streaming", () => feed.status().state === "STREAMING");
    for (const happening of happened) server.instance.see(happening);
    const expected = happened.filter((each) => each.did === did && isRecord(each)).length;
    await until("the posts", () => sink.records.length === expected);
    assert.ok(expected > 3 && sink.records.every(({ id }) => id.includes(did)));
  }
  const nobody = blueskyFeed([server.url], server.apiUrl, ["bob.example.com"]);
  await assert.rejects(nobody.feed.run(sink, AbortSignal.timeout(10_000)), /check the handle/);
});

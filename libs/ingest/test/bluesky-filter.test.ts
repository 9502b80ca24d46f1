import assert from "node:assert/strict";
import { test } from "node:test";
import { readFrame } from "../src/feeds/bluesky/frames.ts";
import { postFilter, type BlueskyFilter } from "../src/feeds/bluesky/post-filter.ts";
import { checkAuthors, startAt, subscriptionUrl } from "../src/feeds/bluesky/subscription.ts";

function wants(
  filter: Partial<BlueskyFilter>,
  text: string,
  languages = ["en"],
  tags: string[] = [],
) {
  return postFilter({ keywords: [], languages: [], ...filter })({ text, languages, tags });
}

test("a keyword is a word, whatever its case; several words must all be there; a phrase stands together", () => {
  assert.equal(wants({ keywords: ["kafka"] }, "We run KAFKA."), true);
  assert.equal(wants({ keywords: ["kafka"] }, "kafkaesque"), false);
  assert.equal(wants({ keywords: ["#kafka"] }, "see #kafka"), true);
  assert.equal(wants({ keywords: ["kafka"] }, "no word of it", ["en"], ["Kafka"]), true);
  assert.equal(wants({ keywords: ["big data"] }, "data that is big"), true);
  assert.equal(wants({ keywords: ["big data"] }, "big dates"), false);
  assert.equal(wants({ keywords: ['"big data"'] }, "data that is big"), false);
  assert.equal(wants({ keywords: ['"big data"'] }, "all the Big  Data"), true);
  assert.equal(wants({ keywords: ["x", "café"] }, "un cafe\u0301, merci"), true);
  assert.equal(wants({ keywords: ["c++", "node.js"] }, "c++ or nodexjs"), true);
  assert.equal(wants({ keywords: ["node.js"] }, "nodexjs"), false);
  assert.equal(wants({ keywords: ["天気"] }, "今日はいい天気ですね"), true);
  assert.throws(() => wants({ keywords: ['half "'] }, ""), /quotation mark/);
});

test("a language is its regions too; who names none is in none", () => {
  assert.equal(wants({ languages: ["en"] }, "", ["de", "en-GB"]), true);
  assert.equal(wants({ languages: ["en"] }, "", ["eng"]), false);
  assert.equal(wants({ languages: ["en"] }, "", []), false);
  assert.equal(wants({}, "", []), true);
});

test("frames: what is new, what is said beside it, and what nobody knows", () => {
  const payload = { $type: "x#commit", seq: 7, time: "2026-08-14T10:00:00.000001Z" };
  const frame = (more: object) =>
    readFrame(Buffer.from(JSON.stringify({ $type: "message", payload: { ...payload, ...more } })));
  const timeMs = Date.UTC(2026, 7, 14, 10);
  const record = { text: "hi", langs: ["en"] };
  assert.deepEqual(frame({ operation: "create", record }), {
    kind: "event",
    seq: 7,
    timeMs,
    created: { text: "hi", languages: ["en"], tags: [] },
  });
  for (const more of [{ operation: "update", record }, { operation: "delete" }, { account: {} }]) {
    assert.deepEqual(frame(more), { kind: "event", seq: 7, timeMs, created: undefined });
  }
  assert.deepEqual(frame({ $type: "x#info", name: "OutdatedCursor" }), {
    kind: "info",
    name: "OutdatedCursor",
    message: "",
  });
  assert.deepEqual(readFrame(Buffer.from('{"$type":"error","error":"ConsumerTooSlow"}')), {
    kind: "error",
    name: "ConsumerTooSlow",
    message: "",
  });
  for (const text of ["", "[]", "{", '{"$type":"message"}', '{"$type":"message","payload":{}}']) {
    assert.deepEqual(readFrame(Buffer.from(text)), { kind: "unknown" }, text);
  }
});

test("a number is for the instance that gave it; elsewhere time decides, some seconds early", () => {
  const cursor = { endpoint: "wss://a.example", seq: 7, timeMs: 1_790_000_000_123 };
  assert.deepEqual(startAt("wss://a.example", cursor), { from: "seq", seq: 7 });
  const start = startAt("wss://b.example", cursor);
  const all = { dids: [], frameBytesMax: 1_000 };
  const url = new URL(
    subscriptionUrl("wss://b.example", start, { ...all, dids: ["did:plc:a", "did:web:b.c"] }),
  );
  assert.equal(url.searchParams.get("cursor"), "1789999995123000");
  assert.deepEqual(url.searchParams.getAll("kinds"), ["commit", "account"]);
  assert.deepEqual(url.searchParams.getAll("dids"), ["did:plc:a", "did:web:b.c"]);
  assert.equal(
    new URL(subscriptionUrl("wss://b.example", { from: "now" }, all)).searchParams.has("cursor"),
    false,
  );
  checkAuthors(["did:plc:abc", "name.bsky.social", "@name.bsky.social"]);
  assert.throws(() => checkAuthors(["somebody"]), /handles such as/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Feed } from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { rulesText, statusText } from "../src/ingest/texts.ts";

const feed: Feed = {
  name: "x",
  source: "x",
  state: "WAITING",
  detail: "429: until 12:15",
  rate: 12.4,
  lagMs: 1_500n,
  readsLeft: 99_000n,
  disconnectedAtMs: 1_764_064_800_000n,
  disconnectReason: "too many connections",
  posts: 12_345n,
  deletions: 6n,
  duplicates: 7n,
  unreadable: 0n,
  dropped: 3n,
  hasRules: true,
};

test("the status says what a person looks for: state, lag, what is lost, what may be read, the last disconnect", () => {
  const spool = { id: "0123456789ab", depth: 17n, bytes: 50n, bytesMax: 200n };
  const text = statusText({ feeds: [feed], spool });
  const words =
    /x +WAITING +12 +12,345 +6 +7 +0 +3 +1\.5 s +99,000 +429: until 12:15; disconnected 2025-11-25T10:00:00\.000Z: too many connections/;
  assert.match(text, words);
  assert.match(text, /17 records wait for Kafka; 25 % of 200 bytes used/);
});

test("rules are a table, and none are said to be none", () => {
  assert.match(
    rulesText({ rules: [{ id: "1", tag: "t", value: "kafka lang:en" }] }),
    /kafka lang:en/,
  );
  assert.equal(rulesText({ rules: [] }), "no rules");
});

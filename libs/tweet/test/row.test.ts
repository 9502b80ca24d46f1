import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { columns, partitionOf, rowOf, type TweetRow } from "../src/index.ts";
import { landing, recordedAtMs, recordOf } from "./records.ts";

function rowFrom(json: unknown, headers: Record<string, string> = {}): TweetRow {
  const result = rowOf(recordOf(JSON.stringify(json), headers), landing);
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.row;
}

function refusal(value: string | Buffer | null) {
  const result = rowOf(recordOf(value), landing);
  assert.ok(!result.ok);
  assert.notEqual(result.reason, "");
  return result.code;
}

test("a status of API v1.1 becomes a row", () => {
  const row = rowFrom(
    {
      created_at: "Sun Aug 31 00:29:15 +0000 2014",
      id: 505874924095815700,
      id_str: "505874924095815681",
      text: "short…",
      extended_tweet: {
        full_text: "the whole of it",
        entities: { hashtags: [{ text: "a" }, { text: "b" }] },
      },
      in_reply_to_status_id_str: "12",
      user: { id_str: "7", name: "Ann", screen_name: "ann", followers_count: 9 },
      retweeted_status: { id_str: "13" },
      quoted_status_id_str: "14",
      retweet_count: 1,
      favorite_count: 2,
      possibly_sensitive: true,
      lang: "en",
    },
    { "hybridge-source": "replay", "hybridge-schema": "x.v1.1", traceparent: "00-ab-cd-01" },
  );
  assert.equal(row.id, "505874924095815681");
  assert.equal(row.text, "the whole of it");
  assert.equal(row.hashtags, '["a","b"]');
  assert.equal(row.created_at, Date.UTC(2014, 7, 31, 0, 29, 15));
  assert.equal(row.event_time, row.created_at);
  assert.deepEqual(
    [row.author_id, row.author_name, row.author_handle, row.author_followers],
    ["7", "Ann", "ann", 9n],
  );
  assert.deepEqual([row.reply_to_id, row.repost_of_id, row.quote_of_id], ["12", "13", "14"]);
  assert.deepEqual(
    [row.repost_count, row.like_count, row.reply_count, row.quote_count],
    [1n, 2n, null, null],
  );
  assert.deepEqual(
    [row.source, row.schema_name, row.traceparent],
    ["replay", "x.v1.1", "00-ab-cd-01"],
  );
  assert.deepEqual(partitionOf(row), { dt: "2014-08-31", hr: "00" });
});

test("a message of API v2 becomes a row, with the author from its includes", () => {
  const row = rowFrom({
    data: {
      id: "1",
      author_id: "7",
      created_at: "2026-11-23T08:59:59.123Z",
      text: "short",
      note_tweet: { text: "long", entities: { hashtags: [{ tag: "x" }] } },
      referenced_tweets: [
        { type: "replied_to", id: "2" },
        { type: "quoted", id: "3" },
        { type: "retweeted", id: "4" },
      ],
      public_metrics: { retweet_count: 1, reply_count: 2, like_count: 3, quote_count: 4 },
    },
    includes: {
      users: [
        { id: "6", username: "other" },
        { id: "7", username: "ann", name: "Ann", public_metrics: { followers_count: 9 } },
      ],
    },
  });
  assert.equal(row.schema_name, "x.v2");
  assert.equal(row.created_at, Date.UTC(2026, 10, 23, 8, 59, 59, 123));
  assert.deepEqual([row.text, row.hashtags, row.author_handle], ["long", '["x"]', "ann"]);
  assert.deepEqual([row.reply_to_id, row.quote_of_id, row.repost_of_id], ["2", "3", "4"]);
  assert.deepEqual(
    [row.repost_count, row.reply_count, row.like_count, row.quote_count],
    [1n, 2n, 3n, 4n],
  );
});

test("both versions of Jetstream become the same row", () => {
  const commit = {
    operation: "create",
    rkey: "3abc",
    record: {
      text: "hi",
      createdAt: "2026-11-23T08:00:00Z",
      langs: ["pt-BR", "en"],
      facets: [{ features: [{ $type: "app.bsky.richtext.facet#tag", tag: "in" }] }],
      tags: ["beside"],
      reply: { parent: { uri: "at://did:plc:p/app.bsky.feed.post/3p" } },
      embed: {
        $type: "app.bsky.embed.recordWithMedia",
        record: { record: { uri: "at://did:plc:q/app.bsky.feed.post/3q" } },
      },
    },
  };
  const second = rowFrom({ $type: "message", payload: { did: "did:plc:a", ...commit } });
  const first = rowFrom({ did: "did:plc:a", time_us: 1_800_000_000_000_000, commit });
  for (const row of [first, second]) {
    assert.equal(row.id, "did:plc:a/3abc");
    assert.deepEqual([row.lang, row.hashtags], ["pt-BR", '["in","beside"]']);
    assert.deepEqual([row.reply_to_id, row.quote_of_id], ["did:plc:p/3p", "did:plc:q/3q"]);
    assert.equal(row.schema_name, "bluesky.v1");
  }
});

test("deletions are rows of the post's id, by shape or by header", () => {
  const v11 = rowFrom({
    delete: { status: { id_str: "5", user_id_str: "7" }, timestamp_ms: "1700000000000" },
  });
  const v2 = rowFrom({
    delete: { tweet: { id: "5", author_id: "7" }, event_at: "2023-11-14T22:13:20.000Z" },
  });
  for (const row of [v11, v2]) {
    assert.deepEqual([row.op, row.id, row.author_id], ["delete", "5", "7"]);
    assert.equal(row.event_time, 1_700_000_000_000);
    assert.equal(row.created_at, null);
  }
  const bluesky = rowFrom({
    did: "did:plc:a",
    time_us: 1_700_000_000_000_999,
    commit: { operation: "delete", rkey: "3a" },
  });
  assert.deepEqual([bluesky.op, bluesky.id], ["delete", "did:plc:a/3a"]);
  assert.equal(bluesky.event_time, 1_700_000_000_000);
  assert.equal(rowFrom({ id_str: "5" }, { "hybridge-op": "delete" }).op, "delete");
});

test("an id over 2^53 that comes as a number keeps all its digits", () => {
  for (const json of ['{"id":505874924095815681}', '{"data":{"id":505874924095815681}}']) {
    const result = rowOf(recordOf(json), landing);
    assert.ok(result.ok);
    assert.equal(result.row.id, "505874924095815681");
    assert.equal(result.row.raw, json);
  }
});

test("what cannot be a row says why", () => {
  assert.equal(refusal(null), "EMPTY");
  assert.equal(refusal(""), "EMPTY");
  assert.equal(refusal(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), "NOT_UTF8");
  assert.equal(refusal('{"id_str":"1"'), "NOT_JSON");
  assert.equal(refusal('{"id_str":"1"}\0'), "NOT_JSON");
  assert.equal(refusal("[1]"), "NOT_AN_OBJECT");
  assert.equal(refusal("null"), "NOT_AN_OBJECT");
  assert.equal(refusal('{"text":"no id"}'), "NO_ID");
  assert.equal(refusal('{"id":1.5}'), "NO_ID");
  assert.equal(refusal('{"id_str":""}'), "NO_ID");
  assert.equal(refusal(`{"id_str":"${"9".repeat(600)}"}`), "NO_ID");
  assert.equal(refusal('{"id_str":"a\\u0000"}'), "NO_ID");
});

test("NUL and lone surrogates are replaced in typed text and stay exact in raw", () => {
  const json = String.raw`{"id_str":"1","text":"a\u0000b\ud83dc\ud83d\ude00","lang":"\udc00"}`;
  const result = rowOf(recordOf(json), landing);
  assert.ok(result.ok);
  assert.equal(result.row.text, "a\uFFFDb\uFFFDc😀");
  assert.equal(result.row.lang, "\uFFFD");
  assert.equal(result.row.raw, json);
  assert.equal(result.row.raw_md5, createHash("md5").update(json).digest("hex"));
});

test("text is cut to the bytes of its column between characters, tags between tags", () => {
  const row = rowFrom({
    id_str: "1",
    text: `a${"😀".repeat(20_000)}`,
    entities: { hashtags: Array.from({ length: 30_000 }, () => ({ text: "é" })) },
  });
  assert.equal(Buffer.byteLength(row.text ?? ""), 65_533);
  assert.ok((row.text ?? "").isWellFormed());
  assert.ok(Buffer.byteLength(row.hashtags) <= 65_535);
  const tags = JSON.parse(row.hashtags) as string[];
  assert.equal(tags.length, Math.floor((65_535 - 1) / 5));
});

test("a time that cannot be opens no partition of its own", () => {
  const when = (created_at: string) => rowFrom({ data: { id: "1", created_at } });
  assert.equal(when("1970-01-01T00:00:00Z").event_time, recordedAtMs);
  assert.equal(when("9999-01-01T00:00:00Z").event_time, recordedAtMs);
  assert.equal(when("9999-01-01T00:00:00Z").created_at, null);
  assert.equal(when("+275760-09-13T00:00:00.001Z").created_at, null);
  assert.equal(when("no time").event_time, recordedAtMs);
  assert.equal(when("2026-11-24T08:00:00Z").event_time, Date.UTC(2026, 10, 24, 8));
  for (const timestampMs of [-1, Number.MAX_SAFE_INTEGER, 8.64e15 + 1]) {
    const result = rowOf({ ...recordOf('{"id_str":"1"}'), timestampMs }, landing);
    assert.ok(result.ok);
    assert.deepEqual(partitionOf(result.row), { dt: "1970-01-01", hr: "00" });
  }
});

test("whatever JSON comes, a row keeps the bounds of its columns or there is a reason", () => {
  const post = fc.oneof(
    fc.json(),
    fc
      .record({
        id_str: fc.string({ unit: "binary" }),
        text: fc.string({ unit: "binary" }),
        user: fc.jsonValue(),
        entities: fc.jsonValue(),
        created_at: fc.anything(),
      })
      .map((each) => JSON.stringify(each)),
    fc
      .record({
        data: fc.dictionary(
          fc.constantFrom("id", "text", "lang", "created_at", "referenced_tweets"),
          fc.jsonValue(),
        ),
      })
      .map((each) => JSON.stringify(each)),
    fc
      .record({
        did: fc.string(),
        commit: fc.dictionary(fc.constantFrom("rkey", "record", "operation"), fc.jsonValue()),
      })
      .map((each) => JSON.stringify(each)),
  );
  fc.assert(
    fc.property(post, (json) => {
      const result = rowOf(recordOf(json), landing);
      if (!result.ok) return result.reason !== "";
      for (const each of columns) {
        const value = result.row[each.name];
        if (value === null) assert.ok(each.nullable, each.name);
        if (typeof value !== "string" || !("bytesMax" in each)) continue;
        assert.ok(Buffer.byteLength(value) <= each.bytesMax, each.name);
        assert.ok(value.isWellFormed() && !value.includes("\0"), each.name);
      }
      assert.match(partitionOf(result.row).dt, /^\d{4}-\d\d-\d\d$/);
      return result.row.raw === json;
    }),
    { numRuns: 200 },
  );
});

test("whatever bytes come, rowOf says something and throws nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const result = rowOf(recordOf(Buffer.from(bytes)), landing);
      return !result.ok;
    }),
    { numRuns: 500 },
  );
});

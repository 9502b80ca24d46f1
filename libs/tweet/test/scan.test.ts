import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  eventTimeOf,
  postAt,
  rowOf,
  ScannedPost,
  scannedCounts,
  scannedTexts,
  scanPost,
  type TweetRow,
} from "../src/index.ts";
import { mutatedLines, treesOfPosts, valuesInPlaceOfOthers } from "../src/testing/index.ts";
import { allLines, linesOf } from "./fixtures.ts";
import { landing, recordedAtMs, recordOf } from "./records.ts";

const said = new ScannedPost();

/** What a scan says as columns of a row, or undefined when the bytes are unusual. */
function columnsOf(value: Buffer): Partial<TweetRow> | undefined {
  // In the middle of others, as in a buffer: nothing may be read beyond the zero byte.
  const bytes = Buffer.concat([Buffer.from('"'), value, Buffer.from('\0"}]')]);
  if (!scanPost(bytes, 1, 1 + value.length, said)) return undefined;
  const texts = scannedTexts.map((name, index) => {
    const length = said.lengths[index] ?? 0;
    if (length < 0) return [name, null];
    const start = said.starts[index] ?? 0;
    const from = start < 0 ? said.composed : bytes;
    const at = start < 0 ? ~start : start;
    const text = from.toString("utf8", at, at + length);
    return [name, text.startsWith('"') ? (JSON.parse(text) as string) : text];
  });
  const counts = scannedCounts.map((name, index) => {
    const count = said.counts[index] ?? 0;
    return [name, Number.isNaN(count) ? null : BigInt(count)];
  });
  const { createdAtMs, observedAtMs, possiblySensitive, schema } = said;
  return {
    ...(Object.fromEntries([...texts, ...counts]) as Partial<TweetRow>),
    op: "upsert",
    schema_name: schema,
    created_at: createdAtMs,
    event_time: eventTimeOf(createdAtMs, observedAtMs, createdAtMs, recordedAtMs),
    possibly_sensitive: possiblySensitive,
  };
}

/** A usual value has a row, and it says the same. Returns whether it is usual. */
function assertSame(value: Buffer): boolean {
  const scanned = columnsOf(value);
  if (!scanned) return false;
  const result = rowOf(recordOf(value), landing);
  if (!result.ok) assert.fail(`usual, and no row: ${value.toString()}`);
  for (const [name, column] of Object.entries(scanned)) {
    const expected: unknown = result.row[name as keyof TweetRow];
    if (column !== expected) assert.deepEqual(column, expected, `${name} of ${value.toString()}`);
  }
  return true;
}

test("posts in the forms that sources send are usual, and read as rowOf reads them", () => {
  for (const line of allLines()) assertSame(line);
  const usual = [linesOf("x-v11")[2], linesOf("x-v2")[0], linesOf("bluesky")[0]];
  for (const line of usual) assert.ok(line !== undefined && assertSame(line), String(line));
});

test("generated posts are usual, but for what no column holds as it is", () => {
  let usual = 0;
  const count = 5_000;
  for (let index = 0; index < count; index++) {
    if (assertSame(Buffer.from(postAt(3, index, recordedAtMs).json))) usual += 1;
  }
  assert.ok(usual > count * 0.98, `${usual} of ${count}`);
});

test("forms of each source, written as sources write them", () => {
  for (const [index, each] of usualForms().entries()) {
    const text = JSON.stringify(each);
    // As X's API v1.1 writes: slashes and what is not ASCII escaped.
    const escaped = text.replace(/[/\u0080-\uffff]/g, (unit) =>
      unit === "/" ? "\\/" : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    assert.ok(assertSame(Buffer.from(text)), text);
    assert.ok(assertSame(Buffer.from(JSON.stringify(each, null, 2))), "with spaces");
    assertSame(Buffer.from(escaped));
    if (index < 2) assert.ok(assertSame(Buffer.from(escaped)), escaped);
  }
});

test("real forms with pieces changed, left out, doubled and torn", () => {
  let usual = 0;
  fc.assert(
    fc.property(mutatedLines(allLines().concat(generated())), (value) => {
      if (isValid(value) && assertSame(value)) usual += 1;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(usual > 300, `${usual}: most changes leave nothing usual`);
});

test("arbitrary JSON where posts have their parts", () => {
  fc.assert(
    fc.property(treesOfPosts(), (value) => void assertSame(Buffer.from(JSON.stringify(value)))),
    { numRuns: 700 },
  );
});

test("every value of a post in place of others, of every type", () => {
  let usual = 0;
  for (const value of valuesInPlaceOfOthers(allLines().concat(generated().slice(0, 20)))) {
    if (assertSame(value)) usual += 1;
  }
  assert.ok(usual > 500);
});

test("every member of a post twice, with another value first or last", () => {
  for (const line of allLines().concat(generated().slice(0, 20))) {
    for (const match of line.toString().matchAll(/"[a-z_$A-Z]+":/g)) {
      const at = match.index;
      const text = line.toString();
      assertSame(Buffer.from(`${text.slice(0, at)}${match[0]}"x",${text.slice(at)}`));
      assertSame(Buffer.from(`${text.slice(0, at)}${match[0]}null,${text.slice(at)}`));
      const name =
        match[0].slice(0, 2) + `\\u00${match[0].charCodeAt(2).toString(16)}` + match[0].slice(3);
      assertSame(Buffer.from(text.slice(0, at) + name + text.slice(at + match[0].length)));
    }
  }
});

test("what is no JSON is not usual", () => {
  const broken = [
    ...[
      '{"id_str":"1",}',
      '{"id_str":"1"}}',
      '{"id_str":"1"} x',
      "{'id_str':'1'}",
      '{"id_str":"\n"}',
    ],
    ...['{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":1e}', '{"a":NaN}', '{"a":Infinity}'],
    ...[
      '{"a":tru}',
      '{"a":"\\x"}',
      '{"a":"\\u12g4"}',
      '{"a":[1,]}',
      '{"a" "b"}',
      '{"a":}',
      "{",
      "",
    ],
    ...['\uFEFF{"id_str":"1"}', '{"a":-}', '{"a":"\\', '{"a":"\\u', '{"a":"\\ud83d\\u'],
  ];
  for (const text of broken) assert.equal(columnsOf(Buffer.from(text)), undefined, text);
});

/** Posts as each source writes them. */
function usualForms(): object[] {
  const status = {
    created_at: "Wed Oct 10 20:19:24 +0000 2018",
    id: 1050118621198921728,
    id_str: "1050118621198921728",
    text: 'To make room \u{1F600} " \\ / é',
    user: { id_str: "6253282", name: 'N"ame', screen_name: "twitterapi", followers_count: 1 },
    entities: { hashtags: [{ text: "été" }, { text: 'a"b' }, {}, { text: null }] },
    retweet_count: 160,
    favorite_count: 0,
    lang: "en",
    timestamp_ms: "1539202764000",
  };
  const extended = {
    ...status,
    extended_tweet: { full_text: "all", entities: { hashtags: [{ text: "all" }] } },
    in_reply_to_status_id_str: "7",
    in_reply_to_status_id: 7,
    quoted_status_id_str: "8",
    quoted_status: { id_str: "8" },
    possibly_sensitive: true,
  };
  const message = {
    data: {
      id: "1346889436626259968",
      author_id: "2244994945",
      created_at: "2021-01-06T18:40:40.000Z",
      text: "RT @x: cut…",
      referenced_tweets: [
        { type: "replied_to", id: "1" },
        { type: "quoted", id: "2" },
        { type: "retweeted", id: "3" },
      ],
      public_metrics: { retweet_count: 12, reply_count: 14, like_count: 49, quote_count: 7 },
    },
    includes: {
      users: [{ id: "1" }, { id: "2244994945", username: "dev", name: "Dev" }],
      tweets: [{ id: "3", text: "whole", entities: { hashtags: [{ tag: "t" }] } }],
    },
  };
  const event = {
    did: "did:plc:a",
    time_us: 1_725_911_162_329_308,
    kind: "commit",
    commit: {
      operation: "create",
      collection: "app.bsky.feed.post",
      rkey: "3l3",
      record: {
        createdAt: "2024-09-09T19:46:02.102+00:00",
        text: "hi",
        langs: ["pt", "en"],
        tags: ["beside"],
        facets: [{ features: [{ $type: "app.bsky.richtext.facet#tag", tag: "in" }, {}] }, {}],
        reply: { parent: { uri: "at://did:plc:b/app.bsky.feed.post/3k" } },
        embed: {
          $type: "app.bsky.embed.recordWithMedia",
          record: { record: { uri: "at://did:plc:c/app.bsky.feed.post/3j" } },
        },
      },
    },
  };
  const { commit, did, time_us } = event;
  const second = {
    $type: "message",
    payload: { did, time_us, ...commit, $type: "network.bsky.jetstream.subscribeEvents#commit" },
  };
  return [status, extended, { ...status, retweeted_status: extended }, message, event, second];
}

function generated(): Buffer[] {
  return Array.from({ length: 200 }, (_, index) =>
    Buffer.from(postAt(9, index, recordedAtMs).json),
  );
}

/** Whoever scans has checked that before. */
function isValid(value: Buffer): boolean {
  return Buffer.from(value.toString("utf8")).equals(value);
}

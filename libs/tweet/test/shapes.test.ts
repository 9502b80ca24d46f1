import assert from "node:assert/strict";
import { test } from "node:test";
import { readPosts, rowOf, type Reading, type TweetRow } from "../src/index.ts";
import { linesOf, readingsOf } from "./fixtures.ts";
import { landing, recordOf } from "./records.ts";

/** What a reading is, in short: kind and id, or kind and name. */
function short(reading: Reading): string {
  if ("id" in reading) return `${reading.kind} ${reading.id}`;
  return `${reading.kind} ${reading.kind === "other" ? reading.name : reading.code}`;
}

function rowFrom(value: Buffer | string): TweetRow {
  const result = rowOf(recordOf(value), landing);
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.row;
}

function only(value: string): Reading {
  const [reading, ...others] = readPosts(Buffer.from(value));
  assert.ok(reading && others.length === 0);
  return reading;
}

test("messages of X's API v1.1: posts, deletions, and notices by their names", () => {
  assert.deepEqual(readingsOf("x-v11").map(short), [
    "post 850006245121695744",
    "post 20",
    "post 1677211111111111111",
    "delete 850006245121695744",
    "other limit",
    "other scrub_geo",
    "other status_withheld",
    "account account:12",
    "other user_suspend",
    "other warning",
  ]);
  const [long, leap, retweet] = linesOf("x-v11").slice(0, 3).map(rowFrom);
  assert.match(long?.text ?? "", /^cut off nowhere, since/);
  assert.equal(long?.hashtags, '["Höhe","水"]');
  assert.equal(long.reply_to_id, "850006245121695743", "it has no text form");
  assert.equal(long.like_count, 9_007_199_254_740_993n);
  assert.equal(leap?.created_at, Date.UTC(2016, 1, 29, 23, 0, 0));
  assert.deepEqual(
    [retweet?.text, retweet?.hashtags, retweet?.lang, retweet?.possibly_sensitive],
    ["cut off nowhere #Höhe", '["Höhe"]', "de", true],
    "of a retweet all that was said is the original's",
  );
  assert.deepEqual([retweet?.author_handle, retweet?.repost_of_id], ["ada", "850006245121695744"]);
});

test("elements of a personal archive: posts, what was deleted, and the rest", () => {
  assert.deepEqual(readingsOf("archive").map(short), [
    "post 1500000000000000001",
    "delete 1500000000000000002",
    "other archive",
  ]);
  const [mine, deleted] = linesOf("archive").slice(0, 2).map(rowFrom);
  assert.deepEqual([mine?.text, mine?.like_count], ["from my own archive #mine", 12n]);
  assert.equal(mine?.reply_to_id, "1500000000000000000");
  assert.equal(deleted?.text, null);
  assert.equal(deleted.event_time, Date.UTC(2022, 2, 6));
});

test("messages of X's API v2: streams, bare and flattened posts, pages, compliance", () => {
  assert.deepEqual(readingsOf("x-v2").map(short), [
    "post 1710000000000000001",
    "post 1710000000000000002",
    "post 1710000000000000003",
    "post 1710000000000000004",
    "post 1710000000000000005",
    "delete 1710000000000000004",
    "delete 1710000000000000005",
    "account account:8",
    "other withheld",
    "other drop",
    "delete 1710000000000000003",
    "delete 1710000000000000002",
    "other errors",
    "other empty_page",
    "other user",
  ]);
  const [repost, bare, flat] = linesOf("x-v2").slice(0, 3).map(rowFrom);
  assert.equal(repost?.text, "what Bo said is too long for a preview #whole");
  assert.deepEqual([repost.hashtags, repost.author_handle], ['["whole"]', "ann"]);
  assert.equal(bare?.schema_name, "x.v2");
  assert.equal(bare.created_at, 1_696_530_744_920, "the id is a time where nothing else is");
  assert.deepEqual(
    [flat?.author_handle, flat?.author_followers, flat?.text, flat?.hashtags],
    ["ann", 3n, "flat #one", '["one"]'],
  );
  assert.deepEqual(
    [flat?.reply_to_id, flat?.quote_of_id, flat?.repost_count, flat?.quote_count],
    ["1700000000000000002", "1700000000000000001", 1n, 4n],
  );
});

test("a deletion says when and of what, and nothing of what was said", () => {
  const [batch, protectedOne] = linesOf("x-v2").slice(9, 11).map(rowFrom);
  for (const row of [batch, protectedOne]) {
    assert.deepEqual([row?.op, row?.text, row?.hashtags], ["delete", null, "[]"]);
  }
  assert.equal(batch?.event_time, Date.UTC(2023, 9, 7, 1, 2, 3));
  const header = { "hybridge-op": "delete" };
  const whole = rowOf(recordOf('{"id_str":"5","text":"secret","lang":"en"}', header), landing);
  assert.ok(whole.ok);
  assert.deepEqual([whole.row.op, whole.row.id, whole.row.text], ["delete", "5", null]);
});

test("a page gives each post with what it names, both as they stand", () => {
  const page = linesOf("x-v2")[3] ?? Buffer.alloc(0);
  const values = readPosts(page).map((each) => ("value" in each ? each.value.toString() : ""));
  assert.deepEqual(values, [
    String.raw`{"data":{"id":"1710000000000000004","author_id":"8","text":"first \u00e9lan","created_at":"2023-10-05T18:25:45.000Z","attachments":{"media_keys":["3_1"]}},"includes":{"users":[{"id":"8","username":"bo"}],"media":[{"media_key":"3_1","type":"photo"}]}}`,
    '{"data":{"id" : "1710000000000000005", "author_id":"7", "text":"second", "created_at":"2023-10-05T18:25:46Z"},"includes":{"users":[{"id":"7","username":"ann"}]}}',
  ]);
  assert.deepEqual(
    values.map((value) => rowFrom(value).author_handle),
    ["bo", "ann"],
  );
  const refused = rowOf(recordOf(page), landing);
  assert.equal(refused.ok ? "" : refused.code, "SEVERAL_POSTS", "a record is one row");
});

test("what a page's post names through another is kept, and what comes twice too", () => {
  const page =
    '\uFEFF {"includes":{"tweets":[{"id":"2","author_id":"b","text":"whole text #t"}],"users":[{"id":"a"},{"id":"b"},{"id":"b","x":1},{"id":"c"}]},' +
    '"data":[{"id":"1","author_id":"a","text":"RT @b: who…","referenced_tweets":[{"type":"retweeted","id":"2"}]}]}';
  const reading = only(page);
  assert.ok(reading.kind === "post");
  assert.equal(
    reading.value.toString(),
    '{"data":{"id":"1","author_id":"a","text":"RT @b: who…","referenced_tweets":[{"type":"retweeted","id":"2"}]},' +
      '"includes":{"tweets":[{"id":"2","author_id":"b","text":"whole text #t"}],"users":[{"id":"a"},{"id":"b"},{"id":"b","x":1}]}}',
  );
  assert.equal(reading.fields.text, "whole text #t");
});

test("lists and answers to searches give their elements as they stand", () => {
  const first = '{ "id_str":"1", "text":"[\\"{" }';
  const second = '{"did":"did:plc:a","commit":{"operation":"delete","rkey":"r"}}';
  for (const text of [`[${first} , ${second}]`, `{"statuses":[${first},${second}],"x":{}}`]) {
    const readings = readPosts(Buffer.from(text));
    assert.deepEqual(readings.map(short), ["post 1", "delete did:plc:a/r"]);
    assert.deepEqual(
      readings.map((each) => ("value" in each ? each.value.toString() : "")),
      [first, second],
    );
  }
  const pages = `[{"data":[{"id":"1","text":"a"},{"id":"2","text":"b"}]},{"id_str":"3"}]`;
  assert.deepEqual(readPosts(Buffer.from(pages)).map(short), ["post 1", "post 2", "post 3"]);
  // One element that is nothing takes no other one with it.
  for (const text of [`[${first},5,${second}]`, `{"statuses":[${first},null,${second}]}`]) {
    assert.deepEqual(readPosts(Buffer.from(text)).map(short), [
      "post 1",
      "unreadable NOT_AN_OBJECT",
      "delete did:plc:a/r",
    ]);
  }
  const page = readPosts(Buffer.from('{"data":[{"id":"1","text":"a"},7,{"id":"2","text":"b"}]}'));
  assert.deepEqual(page.map(short), ["post 1", "unreadable NO_ID", "post 2"]);
  assert.equal(short(only('{"statuses":[]}')), "other empty_page");
  assert.equal(short(only('{"data":[]}')), "other empty_page");
  for (const text of ["[]", "[1,2]", "[[{}]]", "7", '"a"', "null"]) {
    assert.equal(short(only(text)), "unreadable NOT_AN_OBJECT", text);
  }
});

test("of Jetstream only commits to posts are posts; a post keeps its id until it is deleted", () => {
  const id = "did:plc:aaaaaaaaaaaaaaaaaaaaaaa2/3l3qo2vuowo2b";
  assert.deepEqual(readingsOf("bluesky").map(short), [
    `post ${id}`,
    `post ${id}`,
    `delete ${id}`,
    "post did:plc:aaaaaaaaaaaaaaaaaaaaaaa4/3m1",
    "other app.bsky.feed.like",
    "other app.bsky.graph.follow",
    "other other_collection",
    "other identity",
    "other account_active",
    "other account_deactivated",
    "account account:did:plc:aaaaaaaaaaaaaaaaaaaaaaa2",
    "account account:did:plc:aaaaaaaaaaaaaaaaaaaaaaa4",
    "other identity",
    "other info",
  ]);
  const versions = readingsOf("bluesky").map((each) =>
    "fields" in each ? each.fields.version : "",
  );
  assert.deepEqual(versions.slice(0, 3), ["3l3qo2vutsw2b", "3l3qo2vutsw2c", "3l3qo2vutsw2d"]);
});

test("an account's end is a deletion that names the author", () => {
  const row = rowFrom(linesOf("bluesky")[10] ?? "");
  assert.deepEqual(
    [row.op, row.id, row.author_id],
    ["delete", "account:did:plc:aaaaaaaaaaaaaaaaaaaaaaa2", "did:plc:aaaaaaaaaaaaaaaaaaaaaaa2"],
  );
  assert.equal(row.event_time, Date.UTC(2024, 8, 9, 19, 46, 5, 300));
});

test("what is understood and no post is no row, with its name", () => {
  const result = rowOf(recordOf(linesOf("bluesky")[4] ?? ""), landing);
  assert.ok(!result.ok);
  assert.equal(result.code, "NOT_A_POST");
  assert.match(result.reason, /app\.bsky\.feed\.like/);
});

test("a header that says another form does not hide a post", () => {
  for (const schema of ["x.v1.1", "x.v2", "bluesky.v1", "mastodon.v1", ""]) {
    const [reading] = readPosts(linesOf("bluesky")[0] ?? Buffer.alloc(0), schema);
    assert.ok(reading?.kind === "post" && reading.schema === "bluesky.v1", schema);
  }
  const bare = Buffer.from('{"id":"1"}');
  assert.deepEqual(
    ["x.v1.1", "x.v2"].map((schema) => {
      const [reading] = readPosts(bare, schema);
      return reading?.kind === "post" ? reading.schema : reading;
    }),
    ["x.v1.1", "x.v2"],
  );
});

test("a tombstone deletes by key; a value that does not say of what, by key where a header asks", () => {
  const tombstone = { ...recordOf(null), key: Buffer.from("9001") };
  const result = rowOf(tombstone, landing);
  assert.ok(result.ok);
  assert.deepEqual(
    [result.row.op, result.row.id, result.row.raw, result.row.event_time],
    ["delete", "9001", null, tombstone.timestampMs],
  );
  for (const key of [null, Buffer.alloc(0), Buffer.from([0xff])]) {
    const none = rowOf({ ...tombstone, key }, landing);
    assert.equal(none.ok ? "" : none.code, "EMPTY");
  }
  for (const key of ["a\0", "x".repeat(600)]) {
    const none = rowOf({ ...tombstone, key: Buffer.from(key) }, landing);
    assert.equal(none.ok ? "" : none.code, "NO_ID");
  }
  const event = {
    ...recordOf('{"why":"asked"}', { "hybridge-op": "delete" }),
    key: Buffer.from("7"),
  };
  const asked = rowOf(event, landing);
  assert.ok(asked.ok);
  assert.deepEqual([asked.row.op, asked.row.id, asked.row.raw], ["delete", "7", '{"why":"asked"}']);
  const unread = rowOf({ ...event, value: Buffer.from("{") }, landing);
  assert.equal(unread.ok ? "" : unread.code, "NOT_JSON");
});

test("users are no posts, wherever they stand", () => {
  for (const text of [
    '{"data":{"id":"7","username":"ann"}}',
    '{"id":"7","username":"ann","name":"Ann"}',
    '{"id":7,"id_str":"7","screen_name":"ann","status":{"id_str":"8","text":"a"}}',
  ]) {
    assert.equal(short(only(text)), "other user");
  }
});

test("a deletion keeps the digits of an id that has no text form", () => {
  const id = "505874924095815681";
  assert.equal(short(only(`{"delete":{"status":{"id":${id}}}}`)), `delete ${id}`);
  assert.equal(short(only(`{"id":${id},"action":"delete"}`)), `delete ${id}`);
});

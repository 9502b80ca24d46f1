import assert from "node:assert/strict";
import { test } from "node:test";
import { countTweetsSql, prepareSql } from "../src/index.ts";

const none = { lang: "", hashtag: "", createdFrom: "", createdTo: "" };

test("filters become parameters, whatever they hold", async () => {
  const filter = {
    ...none,
    lang: "e'n",
    hashtag: 'A"%_b',
    createdFrom: "2026-01-01",
    createdTo: "2026-01-02T00:00:00+02:00",
  };
  for (const engine of ["hive", "redshift"] as const) {
    const { sql, parameters } = countTweetsSql(engine, { posts: "hybridge.tweets" }, filter);
    assert.deepEqual(
      [...parameters],
      [
        ["lang", "e'n"],
        ["tag", '"a\\"%_b"'],
        ["from", "2026-01-01 00:00:00.000"],
        ["to", "2026-01-01 22:00:00.000"],
      ],
    );
    await prepareSql(engine, sql, parameters);
  }
});

test("without filters there are no parameters", async () => {
  const { sql, parameters } = countTweetsSql("hive", { posts: "tweets" }, none);
  assert.equal(parameters.size, 0);
  assert.match((await prepareSql("hive", sql)).sql, /`op` = 'upsert'/);
});

test("a time that is none is refused", () => {
  for (const createdTo of ["yesterday", "2026-13-01", "1", "2026-01-01T25:00:00Z"]) {
    assert.throws(() => countTweetsSql("hive", { posts: "t" }, { ...none, createdTo }), {
      code: "SQL_PARAMETER",
    });
  }
});

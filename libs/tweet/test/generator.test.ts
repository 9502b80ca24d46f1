import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { indexOfGenerated, postAt, rowOf, seedMax } from "../src/index.ts";
import { landing, recordOf } from "./records.ts";

const epochMs = Date.UTC(2026, 10, 23);

const anySeed = fc.integer({ min: 0, max: seedMax });
const anyIndex = fc.oneof(
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.integer({ min: 0, max: 999_999_999_999 }),
);

test("a post is a function of seed and index, and its id leads back to the index", () => {
  fc.assert(
    fc.property(anySeed, anyIndex, (seed, index) => {
      const post = postAt(seed, index, epochMs);
      assert.deepEqual(postAt(seed, index, epochMs), post);
      assert.equal(indexOfGenerated(seed, post.id), index);
      assert.equal(indexOfGenerated(seed === 0 ? 1 : seed - 1, post.id), undefined);
    }),
  );
  assert.equal(indexOfGenerated(1, "505874924095815681"), undefined);
  assert.equal(indexOfGenerated(1, "did:plc:abc/short"), undefined);
});

test("every post becomes the row that it should", () => {
  fc.assert(
    fc.property(anySeed, anyIndex, (seed, index) => {
      const post = postAt(seed, index, epochMs);
      const result = rowOf(recordOf(post.json, { "hybridge-schema": post.schema }), landing);
      assert.ok(result.ok, result.ok ? "" : `${result.reason}\n${post.json}`);
      const { row } = result;
      assert.equal(row.id, post.id);
      assert.equal(row.schema_name, post.schema);
      // API v1.1 has whole seconds only.
      const unitMs = post.schema === "x.v1.1" ? 1_000 : 1;
      if (post.createdAtMs < Date.UTC(2200, 0, 1)) {
        assert.equal(row.created_at, Math.floor(post.createdAtMs / unitMs) * unitMs);
      }
      assert.equal(row.raw, post.json);
      assert.notEqual(row.text, null);
    }),
    { numRuns: 1_000 },
  );
});

test("times advance by the step and ids are unique", () => {
  const posts = Array.from({ length: 2_000 }, (_, index) => postAt(1, index, epochMs));
  assert.equal(new Set(posts.map(({ id }) => id)).size, posts.length);
  posts.forEach(({ createdAtMs }, index) => {
    assert.equal(Math.floor((createdAtMs - epochMs) / 20), index);
  });
});

test("the posts have what breaks careless readers", () => {
  const posts = Array.from({ length: 8_000 }, (_, index) => postAt(7, index, epochMs));
  const rows = posts.map(({ json }) => {
    const result = rowOf(recordOf(json), landing);
    assert.ok(result.ok);
    return result.row;
  });
  const some = (what: string, holds: (row: (typeof rows)[number]) => boolean) => {
    assert.ok(rows.some(holds), what);
  };
  some("text over the longest VARCHAR", ({ text, raw }) => {
    return Buffer.byteLength(text ?? "") > 65_000 && Buffer.byteLength(raw ?? "") > 100_000;
  });
  some("replaced characters", ({ text }) => text?.includes("\uFFFD") ?? false);
  some("right-to-left text", ({ lang }) => lang === "ar");
  some("joined emoji", ({ text }) => text?.includes("👩‍👩‍👧‍👦") ?? false);
  some("quotes or backslashes", ({ text }) => /["\\]/.test(text ?? ""));
  some("no hashtags", ({ hashtags }) => hashtags === "[]");
  some("three hashtags", ({ hashtags }) => (JSON.parse(hashtags) as string[]).length === 3);
  some("a reply", ({ reply_to_id }) => reply_to_id !== null);
  some("a quote", ({ quote_of_id }) => quote_of_id !== null);
  assert.deepEqual([...new Set(rows.map(({ schema_name }) => schema_name))].sort(), [
    "bluesky.v1",
    "x.v1.1",
    "x.v2",
  ]);
  assert.ok(new Set(rows.map(({ lang }) => lang)).size >= 13);
  assert.ok(new Set(rows.map(({ author_id }) => author_id)).size >= 500);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeCommit, encodeCommit } from "../../src/log/commit-codec.ts";
import type { Action, Commit, LogFile } from "../../src/log/protocol.ts";

const LOG = "6f1c3c1e-9d1b-4a52-8a6a-0f3f5f0d2a11";
const count = fc.nat({ max: 1_000_000 });
const hex = (length: number) =>
  fc
    .array(fc.constantFrom("0", "1", "7", "9", "a", "d", "f"), {
      minLength: length,
      maxLength: length,
    })
    .map((digits) => digits.join(""));
const word = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" });
const name = fc.stringMatching(/^[a-z0-9=-]{1,20}$/);
const path = fc.tuple(name, name).map((parts) => `dt=${parts.join("/")}`);
const topic = fc.record({ cluster: word, topic: word, topicId: word });
const offsets = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 62n }), fc.bigInt({ min: 1n, max: 2n ** 40n }))
  .map(([from, length]) => ({ from, to: from + length }));
const range = fc
  .tuple(
    offsets,
    fc.record({
      partition: count,
      rows: count,
      dead: count,
      md5Sum: fc.bigInt({ min: 0n, max: 2n ** 100n }),
    }),
  )
  .map(([a, b]) => ({ ...a, ...b }));
const content = fc.record({ path, bytes: count, sha256: hex(64) });
const file: fc.Arbitrary<LogFile> = fc
  .tuple(content, count, fc.option(content, { nil: undefined }))
  .map(([own, rows, raw]) => (raw ? { ...own, rows, raw } : { ...own, rows }));
const files = fc.array(file, { maxLength: 3 });
const out = fc.array(fc.record({ commit: count, path }), { maxLength: 3 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc
    .tuple(topic, fc.array(range, { maxLength: 4 }))
    .map(([key, ranges]) => ({ do: "advance" as const, ...key, ranges })),
  fc.record({ do: fc.constant("columns" as const), id: word, names: fc.array(word) }),
  fc.record({ do: fc.constant("add" as const), columns: word, files }),
  fc.record({ do: fc.constant("dead" as const), files }),
  fc
    .tuple(
      topic,
      offsets,
      count,
      fc.constantFrom("start" as const, "operator" as const),
      fc.string(),
    )
    .map(([key, gap, partition, why, what]) => ({
      do: "gap" as const,
      ...key,
      ...gap,
      partition,
      why,
      what,
    })),
  fc.record({ do: fc.constant("sweep" as const), below: count }),
  fc.record({ do: fc.constant("replace" as const), out, columns: word, files }),
  fc.record({ do: fc.constant("expire" as const), out }),
  fc.record({ do: fc.constant("expire" as const), below: count }),
  fc.record({
    do: fc.constant("quarantine" as const),
    out,
    why: fc.constantFrom("refused" as const, "missing" as const),
    what: fc.string(),
  }),
  fc.record({
    do: fc.constant("erase" as const),
    out,
    columns: word,
    files,
    who: word,
    why: fc.string(),
    rows: count,
  }),
);
const commits: fc.Arbitrary<Commit> = fc.record({
  log: fc.constant(LOG),
  id: hex(32),
  base: count,
  at: count,
  writer: word,
  actions: fc.array(action, { maxLength: 5 }),
});

test("a commit is read as it was written", () => {
  fc.assert(
    fc.property(commits, (commit) => {
      // Without the bare prototypes that fast-check draws.
      assert.deepEqual(decodeCommit(encodeCommit(commit), "it", LOG), structuredClone(commit));
    }),
  );
});

const VALID = {
  log: LOG,
  id: "0".repeat(32),
  base: 0,
  at: 1,
  writer: "w",
  actions: [] as unknown[],
};
const topicKey = { cluster: "c", topic: "t", topicId: "i" };
const REFUSED: readonly (readonly [what: string, commit: unknown])[] = [
  ["no object", [VALID]],
  ["an id of 31 digits", { ...VALID, id: "0".repeat(31) }],
  ["a base that is no number", { ...VALID, base: "0" }],
  ["a negative base", { ...VALID, base: -1 }],
  ["no list of actions", { ...VALID, actions: {} }],
  [
    "an offset that is a number",
    {
      ...VALID,
      actions: [{ do: "gap", ...topicKey, partition: 0, from: 0, to: "1", why: "start", what: "" }],
    },
  ],
  [
    "an empty range",
    {
      ...VALID,
      actions: [
        { do: "gap", ...topicKey, partition: 0, from: "1", to: "1", why: "start", what: "" },
      ],
    },
  ],
  [
    "an offset of more than 63 bits",
    {
      ...VALID,
      actions: [
        {
          do: "gap",
          ...topicKey,
          partition: 0,
          from: "0",
          to: "9223372036854775808",
          why: "start",
          what: "",
        },
      ],
    },
  ],
  [
    "another why",
    {
      ...VALID,
      actions: [{ do: "gap", ...topicKey, partition: 0, from: "0", to: "1", why: "fun", what: "" }],
    },
  ],
  [
    "a path that leaves the folder",
    { ...VALID, actions: [{ do: "expire", out: [{ commit: 1, path: "dt=1/../../x" }] }] },
  ],
  [
    "a path of the log",
    { ...VALID, actions: [{ do: "expire", out: [{ commit: 1, path: "_log/marks/1" }] }] },
  ],
  [
    "an absolute path",
    { ...VALID, actions: [{ do: "expire", out: [{ commit: 1, path: "/dt=1/x" }] }] },
  ],
];

for (const [what, commit] of REFUSED) {
  test(`${what} is no commit`, () => {
    assert.throws(() => decodeCommit(JSON.stringify(commit), "it", LOG), {
      code: "LANDING_LOG_CORRUPT",
    });
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Following, LogFile } from "@hybridge/landing";
import fc from "fast-check";
import { planLoad, type LoadBounds } from "../src/loads/plan-loads.ts";

const BOUNDS: LoadBounds = { commits: 100, bytes: 1_000, files: 100, ranges: 100 };

function logOf(...commits: readonly (readonly Action[])[]): Following {
  return {
    from: { log: "log", number: 0 },
    to: commits.length,
    commits: commits.map((actions, index) => ({
      number: index + 1,
      commit: { log: "log", id: "", base: 0, at: 0, writer: "", actions },
    })),
    columns: (id) => (id === "old" ? ["id", "raw"] : ["id"]),
  };
}

const file = (path: string, bytes = 10): LogFile => ({ path, rows: 1, bytes, sha256: "" });
const add = (columns: string, ...paths: readonly string[]): Action => ({
  do: "add",
  columns,
  files: paths.map((path) => file(path)),
});
const advance = (partition: number, from: number, to: number, topicId = "id"): Action => ({
  do: "advance",
  cluster: "c",
  topic: "t",
  topicId,
  ranges: [{ partition, from: BigInt(from), to: BigInt(to), rows: to - from, dead: 0, md5Sum: 0n }],
});

/** Loads all, one load a line: the last commit, then the paths. */
function loadsOf(following: Following, bounds = BOUNDS): string[] {
  const loads: string[] = [];
  for (let after = following.from.number; after < following.to;) {
    const { to, wanted } = planLoad(following, after, bounds);
    const groups = wanted.map(
      ({ columns, files, isRewritten }) =>
        `${columns.join("+")}${isRewritten ? "*" : ""}:${files.map(({ path }) => path).join(",")}`,
    );
    loads.push([to, ...groups].join(" "));
    assert.ok(to > after);
    after = to;
  }
  return loads;
}

test("commits of one column list are one load; another list begins another", () => {
  const log = logOf(
    [add("new", "a")],
    [add("new", "b", "c")],
    [{ do: "sweep", below: 1 }],
    [add("old", "d")],
    [add("old", "e")],
    [add("new", "f")],
  );
  assert.deepEqual(loadsOf(log), ["3 id:a,b,c", "5 id+raw:d,e", "6 id:f"]);
});

test("a commit with files of two lists is a load of its own, each list apart", () => {
  const log = logOf([add("new", "a")], [add("new", "b"), add("old", "c")], [add("old", "d")]);
  assert.deepEqual(loadsOf(log), ["1 id:a", "2 id:b id+raw:c", "3 id+raw:d"]);
});

test("a load stays within its bounds, but takes a commit at least", () => {
  const log = logOf(
    [{ do: "add", columns: "new", files: [file("a", 5_000)] }],
    ...["b", "c", "d"].map((path) => [add("new", path)]),
  );
  assert.deepEqual(loadsOf(log), ["1 id:a", "4 id:b,c,d"]);
  assert.deepEqual(loadsOf(log, { ...BOUNDS, commits: 2 }), ["1 id:a", "3 id:b,c", "4 id:d"]);
  assert.deepEqual(loadsOf(log, { ...BOUNDS, files: 1 }).length, 4);
  const many = logOf(...[0, 1, 2, 3].map((partition) => [advance(partition, 0, 1)]));
  assert.deepEqual(loadsOf(many, { ...BOUNDS, ranges: 2 }), ["2", "4"]);
  const one = logOf(...[0, 1, 2, 3].map((offset) => [advance(0, offset, offset + 1)]));
  assert.deepEqual(loadsOf(one, { ...BOUNDS, ranges: 2 }), ["4"]);
});

test("what is taken out is not loaded, however much later; what was put together is ignored", () => {
  const out = (commit: number, path: string) => [{ commit, path }];
  const log = logOf(
    [add("new", "a", "b")],
    [add("new", "c")],
    [{ do: "replace", out: out(1, "b"), columns: "new", files: [file("b2")] }],
    [{ do: "quarantine", out: out(1, "a"), why: "refused", what: "" }],
    // The file that was put together stands for b.
    [{ do: "expire", out: out(3, "b2") }],
    [add("new", "d")],
    [{ do: "expire", below: 3 }],
  );
  assert.deepEqual(loadsOf(log), ["7 id:d"]);
});

test("a rewritten file is loaded in place of the one before it, unless that was loaded", () => {
  const erase = (commit: number, path: string): Action => ({
    do: "erase",
    out: [{ commit, path }],
    columns: "new",
    files: [file(`${path}2`)],
    who: "",
    why: "",
    rows: 1,
  });
  const log = logOf([add("new", "a")], [add("new", "b")], [erase(1, "a")], [erase(2, "b")]);
  assert.deepEqual(loadsOf(log), ["4 id*:a2,b2"]);
  const later = { ...log, from: { log: "log", number: 1 }, commits: log.commits.slice(1) };
  assert.deepEqual(loadsOf(later), ["4 id*:b2"]);
});

test("ranges of a partition are joined, gaps among them, each life of a topic for itself", () => {
  const gap: Action = {
    do: "gap",
    cluster: "c",
    topic: "t",
    topicId: "id",
    partition: 0,
    from: 5n,
    to: 7n,
    why: "retention",
    what: "",
  };
  const log = logOf(
    [advance(0, 0, 5)],
    [gap, advance(1, 3, 4)],
    [advance(0, 7, 9)],
    [advance(0, 20, 21), advance(0, 9, 10, "other")],
  );
  const { ranges } = planLoad(log, 0, BOUNDS);
  const found = ranges.map(
    ({ topicId, partition, from, to, rows }) => `${topicId} ${partition} ${from}-${to} ${rows}`,
  );
  assert.deepEqual(found, ["id 0 0-9 7", "id 0 20-21 1", "id 1 3-4 1", "other 0 9-10 1"]);
});

test("numbers whose commits do not count are passed with those before them", () => {
  const log = logOf([add("new", "a")], [add("new", "b")]);
  assert.deepEqual(loadsOf({ ...log, to: 9 }), ["9 id:a,b"]);
  assert.deepEqual(loadsOf({ ...log, to: 9, commits: [] }), ["9"]);
});

test("every file is loaded once, in order, whatever the bounds", () => {
  const commit = fc.array(fc.record({ list: fc.constantFrom("old", "new"), bytes: fc.nat(400) }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(
      fc.array(commit, { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      (all, files) => {
        const log = logOf(
          ...all.map((adds, number) =>
            adds.map(({ list, bytes }, index): Action => {
              return { do: "add", columns: list, files: [file(`${number}/${index}`, bytes)] };
            }),
          ),
        );
        const loads = loadsOf(log, { ...BOUNDS, files });
        const loaded = loads.flatMap((load) => load.match(/\d+\/\d+/g) ?? []);
        const wanted = all.flatMap((adds, number) => adds.map((_, index) => `${number}/${index}`));
        assert.deepEqual(loaded.toSorted(), wanted.toSorted());
        const commits = loaded.map((path) => Number(path.split("/")[0]));
        assert.deepEqual(
          commits,
          commits.toSorted((a, b) => a - b),
        );
      },
    ),
  );
});

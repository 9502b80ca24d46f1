import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/log/checkpoint-codec.ts";
import { LogFold } from "../../src/log/fold.ts";
import type { Action, Commit } from "../../src/log/protocol.ts";

const topic = { cluster: "c", topic: "t", topicId: "i" };
const commit = (base: number, at: number, ...actions: Action[]): Commit => ({
  log: "L",
  id: "0".repeat(32),
  base,
  at,
  writer: "w",
  actions,
});
const range = (partition: number, from: bigint, to: bigint) => ({
  partition,
  from,
  to,
  rows: Number(to - from) - 1,
  dead: 1,
  md5Sum: 0n,
});
const gap = (partition: number, from: bigint, why: "start" | "retention") => ({
  do: "gap" as const,
  ...topic,
  partition,
  from,
  to: from + 5n,
  why,
  what: "told",
});

function folded(): LogFold {
  const fold = LogFold.found({ ...commit(0, 5), version: 1, table: "tweets" }, "commit 0");
  const file = { path: "dt=1/hr=1/a", rows: 9, bytes: 100, sha256: "0".repeat(64) };
  const commits = [
    commit(
      0,
      10,
      { do: "columns", id: "t1", names: ["a", "b"] },
      { do: "add", columns: "t1", files: [file] },
    ),
    commit(0, 9, { do: "advance", ...topic, ranges: [range(3, 10n, 20n), range(0, 0n, 7n)] }),
    commit(0, 11, { do: "advance", ...topic, ranges: [range(0, 5n, 9n)] }),
    commit(0, 12, gap(3, 0n, "start"), gap(1, 7n, "retention")),
    commit(3, 13, { do: "sweep", below: 2 }),
    commit(1, 14),
    commit(5, 15, { do: "expire", out: [{ commit: 1, path: file.path }] }),
  ];
  const brought = () => new Set([file.path]);
  for (const [index, each] of commits.entries()) fold.apply(index + 1, each, brought);
  return fold;
}

test("a checkpoint is the state, and the state goes on from it as it was", () => {
  const fold = folded();
  const text = encodeCheckpoint(fold);
  const read = decodeCheckpoint(gzipSync(text), "it");
  assert.equal(encodeCheckpoint(read), text);
  assert.deepEqual(read.folded.counters, {
    commits: 6,
    void: 2,
    files: 1,
    bytes: 100,
    rows: 15,
    dead: 2,
    gaps: 1,
  });
  assert.deepEqual(read.folded.voids.runs, [
    [3, 3],
    [6, 6],
  ]);
  assert.equal(read.floor, 2);
  assert.deepEqual(read.folded.coverage.position(topic, 3), { from: 5n, to: 10n });
  assert.deepEqual(
    read.folded.gaps.map(({ partition, commit: number, why }) => [partition, number, why]),
    [[1, 4, "retention"]],
  );
  assert.deepEqual(read.folded.removals.blocks(), [{ from: 0, checkpoint: 100, files: 1 }]);
  const next = commit(7, 16, { do: "advance", ...topic, ranges: [range(3, 5n, 10n)] });
  assert.equal(fold.apply(8, next), undefined);
  assert.equal(read.apply(8, next), undefined);
  assert.equal(encodeCheckpoint(read), encodeCheckpoint(fold));
});

test("a damaged checkpoint is told by name", () => {
  const text = encodeCheckpoint(folded());
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from(text), /gzip/],
    [gzipSync(text.slice(0, -5)), /no JSON/],
    [gzipSync(text.replace('"floor":2', '"floor":3')), /floor/],
    [gzipSync(text.replace('"number":7', '"number":"7"')), /"number"/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => decodeCheckpoint(bytes, "it"), { code: "LANDING_LOG_CORRUPT", message });
  }
  const newer = gzipSync(text.replace('"version":1', '"version":2'));
  assert.throws(() => decodeCheckpoint(newer, "it"), { code: "LANDING_LOG_VERSION" });
});

test("the newest hundred gaps and the sweeps of two days are kept, whatever comes", () => {
  const fold = LogFold.found({ ...commit(0, 0), version: 1, table: "tweets" }, "commit 0");
  const hour = 3_600_000;
  for (let number = 1; number <= 300; number++) {
    const sweep = { do: "sweep" as const, below: number };
    const refusal = fold.apply(
      number,
      commit(number - 1, number * hour, gap(number, 0n, "retention"), sweep),
    );
    assert.equal(refusal, undefined);
  }
  assert.deepEqual([fold.folded.gaps.length, fold.folded.gaps[0]?.commit], [100, 201]);
  assert.equal(fold.folded.counters.gaps, 300);
  // One that is two days old stands for all before it.
  assert.deepEqual(fold.folded.sweeps[0], { below: 252, at: 252 * hour });
  assert.equal(fold.floor, 300);
});

import assert from "node:assert/strict";
import { UnavailableError } from "@hybridge/core";
import type { LogCase } from "./log-conformance.ts";
import { commitPath, stagingFolder } from "../../log/paths.ts";
import { pathsOf } from "../../log/staging.ts";
import {
  firstPath,
  COLUMNS,
  holeOf,
  isThere,
  namesOf,
  numberIn,
  numbersOf,
  range,
  signal,
  topic,
} from "./log-table.ts";

/** Writing a commit: steps 1 to 7 of the document, rules 2, 3 and 4. */
export function writingCases(it: LogCase): void {
  it("a table is founded once, by whoever comes first", async (table) => {
    const [a, b] = await Promise.all([table.start(), table.start()]);
    const c = await table.start();
    assert.equal(a.log.state.log, b.log.state.log);
    assert.equal(a.log.state.log, c.log.state.log);
    assert.equal(c.log.state.tip, 0);
    assert.deepEqual(holeOf(c.log, 0), [0, -1]);
  });

  it("nothing is visible before the commit; everything is after it is published", async (table) => {
    const a = await table.start();
    const flush = await table.flush(range(0, 0, 10));
    const raw = await table.local("raw");
    const dead = [{ rows: 1, local: await table.local("dead") }];
    const files = flush.files?.map((file) => ({ ...file, raw })) ?? [];
    const prepared = await a.log.prepare({ ...flush, files, dead }, signal);
    const paths = pathsOf(prepared.commit);
    assert.match(
      paths.join(" "),
      /^dt=2026-11-26\/hr=14\/[0-9a-f]{32}\.parquet _raw\/dt=\S+ _dead\/2026-11-26\/14\/[0-9a-f]{32}\.ndjson\.gz$/,
    );
    if (a.store.moves) assert.equal(await isThere(a.store, firstPath(prepared.commit)), false);
    assert.equal((await table.start()).log.state.tip, 0);
    assert.deepEqual(await a.log.commit(prepared, signal), {
      kind: "committed",
      number: 1,
      attempts: 1,
    });
    await a.log.publish(prepared, signal);
    await a.log.publish(prepared, signal);
    for (const path of paths) assert.equal(await isThere(a.store, path), true, path);
    assert.deepEqual(await namesOf(a.store, "_staging"), []);
    const { log } = await table.start();
    assert.deepEqual(holeOf(log, 0), [10, -1]);
    assert.deepEqual(log.state.columnsOf("t1"), COLUMNS.names);
    const { commits, rows, files: count } = log.state.counters;
    assert.deepEqual({ commits, rows, count }, { commits: 2, rows: 10, count: 1 });
  });

  it("two writers of other partitions never hinder each other", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const write = async (process: typeof a, partition: number) => {
      for (let from = 0; from < 100; from += 10) {
        await table.land(process, await table.flush(range(partition, from, from + 10)));
      }
    };
    await Promise.all([write(a, 0), write(b, 1)]);
    const { log } = await table.start();
    assert.equal(log.state.tip, 20);
    assert.equal(log.state.counters.void, 0);
    assert.deepEqual(
      [holeOf(log, 0), holeOf(log, 1)],
      [
        [100, -1],
        [100, -1],
      ],
    );
    assert.deepEqual(
      await numbersOf(log),
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it("a conflict names the ranges that were lost, and only those (rule 4)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const late = await a.log.prepare(await table.flush(range(0, 0, 10), range(1, 0, 10)), signal);
    await table.land(b, await table.flush(range(1, 5, 8)));
    const outcome = await a.log.commit(late, signal);
    assert.equal(outcome.kind, "lost");
    assert.deepEqual(outcome.ranges, [{ ...topic, partition: 1, from: 0n, to: 10n }]);
    assert.equal(outcome.attempts, 0);
    await a.log.discard(late, signal);
    assert.deepEqual(
      (await namesOf(a.store, "_staging")).filter((name) => name.includes(late.id)),
      [],
    );
    await table.land(a, await table.flush(range(0, 0, 10)));
    assert.deepEqual(
      [holeOf(a.log, 0), holeOf(a.log, 1)],
      [
        [10, -1],
        [0, 5],
      ],
    );
  });

  it("an owner goes on at the first hole, and stops where it ends (rule 4)", async (table) => {
    const a = await table.start();
    await table.land(a, await table.flush(range(0, 100, 200)));
    await table.land(a, await table.flush(range(0, 300, 400)));
    assert.deepEqual(holeOf(a.log, 0), [0, 100]);
    const gap = { ...topic, partition: 0, from: 0n, to: 90n, why: "start", what: "" } as const;
    await table.land(a, { gaps: [gap] });
    assert.deepEqual(holeOf(a.log, 0), [90, 100]);
    await table.land(a, await table.flush(range(0, 90, 100)));
    assert.deepEqual(holeOf((await table.start()).log, 0), [200, 300]);
    assert.ok(a.log.state.isCovered(topic, 0, { from: 10n, to: 200n }));
    assert.ok(!a.log.state.isCovered(topic, 0, { from: 10n, to: 201n }));
  });

  it("a topic that was made again is another topic, and so is one without an id (rule 7)", async (table) => {
    const a = await table.start();
    const flush = await table.flush(range(0, 0, 10));
    const under = (topicId: string) => ({
      ...flush,
      advances: [{ ...topic, topicId, ranges: [range(0, 0, 10)] }],
    });
    for (const id of ["AAAAAAAAAAAAAAAAAAAAAQ", "topic:hybrid", "topic:hybrid#2"]) {
      await table.land(a, under(id));
    }
    const again = await a.log.prepare(under("topic:hybrid#2"), signal);
    assert.equal((await a.log.commit(again, signal)).kind, "lost");
    assert.equal([...a.log.state.topics()].length, 3);
  });

  answerCases(it);
  sweepCases(it);
}

/** Rule 3: no answer decides. */
function answerCases(it: LogCase): void {
  it("a commit whose answer was lost is found (rule 3)", async (table) => {
    const a = await table.start();
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call) => (call === "createAs" ? "after" : "none");
    assert.equal(numberIn(await a.log.commit(prepared, signal)), 1);
    await a.log.publish(prepared, signal);
    assert.equal(await isThere(a.store, firstPath(prepared.commit)), true);
    assert.equal((await table.start()).log.state.tip, 1);
  });

  it("a commit that did not arrive is made again, from the same draft (rule 3)", async (table) => {
    const a = await table.start();
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call) => (call === "createAs" ? "before" : "none");
    await assert.rejects(a.log.commit(prepared, signal), UnavailableError);
    await a.log.discard(prepared, signal);
    a.store.fault = () => "none";
    const outcome = await a.log.commit(prepared, signal);
    assert.deepEqual(outcome, { kind: "committed", number: 1, attempts: 2 });
  });

  it("a request that wins later is the commit, however often it was tried since (rule 3)", async (table) => {
    const a = await table.start();
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call) => (call === "createAs" ? "late" : "none");
    await assert.rejects(a.log.commit(prepared, signal), UnavailableError);
    await assert.rejects(a.log.commit(prepared, signal), UnavailableError);
    await a.store.deliver();
    a.store.fault = () => "none";
    assert.equal(numberIn(await a.log.commit(prepared, signal)), 1);
    await a.store.deliver();
    assert.equal((await table.start()).log.state.tip, 1);
  });

  it("a number that another took while a request was on its way is not ours (rule 3)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call) => (call === "createAs" ? "late" : "none");
    await assert.rejects(a.log.commit(prepared, signal), UnavailableError);
    const other = await table.land(b, await table.flush(range(1, 0, 10)));
    await a.store.deliver();
    a.store.fault = () => "none";
    assert.deepEqual(await a.log.commit(prepared, signal), {
      kind: "committed",
      number: 2,
      attempts: 2,
    });
    const bytes = await a.store.read(commitPath(1), signal);
    assert.ok(bytes?.toString().includes(other.commit.id));
    assert.equal((await table.start()).log.state.tip, 2);
  });

  it("what happens to the mark after the creation does not undo it", async (table) => {
    const a = await table.start();
    const prepared = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call, path) => (call === "list" && path === "_log/marks" ? "before" : "none");
    await assert.rejects(a.log.commit(prepared, signal), UnavailableError);
    a.store.fault = () => "none";
    assert.equal(numberIn(await a.log.commit(prepared, signal)), 1);
  });
}

/** Rule 2: staging that was swept. */
function sweepCases(it: LogCase): void {
  it("a commit with a base below a sweep's is void for every reader (rule 2)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    await table.land(b, await table.flush(range(1, 0, 10)));
    const late = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    await table.land(b, { actions: [{ do: "sweep", below: 1 }] });
    assert.equal((await a.log.commit(late, signal)).kind, "swept");
    // Created all the same, by a writer that does not look.
    await table.forge(3, a.log.state.log, late.commit.actions, { base: 0 });
    await table.land(b, await table.flush(range(2, 0, 10)));
    const c = await table.start();
    assert.deepEqual(holeOf(c.log, 0), [0, -1]);
    assert.equal(c.log.state.counters.void, 1);
    assert.deepEqual(await numbersOf(c.log), [1, 2, 4]);
    assert.deepEqual(await numbersOf(b.log), [1, 2, 4]);
    // The same local files under other names.
    await table.land(a, await table.flush(range(0, 0, 10)));
    assert.deepEqual(holeOf(a.log, 0), [10, -1]);
  });

  it("files of a draft that was tried stay until a sweep (rule 3)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const tried = await a.log.prepare(await table.flush(range(0, 0, 10)), signal);
    a.store.fault = (call) => (call === "createAs" ? "late" : "none");
    await assert.rejects(a.log.commit(tried, signal), UnavailableError);
    a.store.fault = () => "none";
    await table.land(b, await table.flush(range(0, 0, 10)));
    assert.equal((await a.log.commit(tried, signal)).kind, "lost");
    await a.log.discard(tried, signal);
    const path = a.store.moves ? `${stagingFolder(0, tried.id)}/0` : firstPath(tried.commit);
    assert.equal(await isThere(a.store, path), true);
  });
}

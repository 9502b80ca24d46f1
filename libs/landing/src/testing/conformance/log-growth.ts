import assert from "node:assert/strict";
import { numberOf } from "../../log/paths.ts";
import type { LogCase } from "./log-conformance.ts";
import { outpace } from "./log-outpaced.ts";
import {
  firstPath,
  holeOf,
  isThere,
  namesOf,
  numberIn,
  numbersOf,
  range,
  signal,
  topic,
} from "./log-table.ts";

/** Checkpoints, archives, marks: rule 1, and what keeps the log small. */
export function growthCases(it: LogCase): void {
  it("a checkpoint comes after a hundred commits, and a reader begins there", async (table) => {
    const a = await table.start();
    for (let index = 0; index < 100; index++) {
      await table.land(a, {
        advances: [{ ...topic, ranges: [range(index % 7, index, index + 1)] }],
      });
    }
    await a.log.maintain(signal);
    assert.deepEqual((await namesOf(a.store, "_log/checkpoints")).map(numberOf), [100]);
    await a.log.maintain(signal);
    const b = await table.start();
    assert.equal(b.log.state.tip, 100);
    assert.deepEqual(holeOf(b.log, 3), [0, 3]);
    assert.deepEqual(b.log.state.counters, a.log.state.counters);
    await table.land(b, await table.flush(range(50, 0, 10)));
    await a.log.refresh(signal);
    assert.deepEqual(holeOf(a.log, 50), [10, -1]);
    assert.equal((await numbersOf(b.log)).length, 101);
  });

  it("a process whose number was archived while it slept publishes nothing (rule 1)", async (table) => {
    const sleeper = await table.start();
    await table.land(sleeper, await table.flush(range(0, 0, 10)));
    const prepared = await sleeper.log.prepare(await table.flush(range(0, 10, 20)), signal);
    // It has read the tail; what it does next comes an hour later.
    let slept = false;
    sleeper.store.fault = (call) => {
      if (call === "createAs" && !slept) {
        slept = true;
        return "before";
      }
      return "none";
    };
    await assert.rejects(sleeper.log.commit(prepared, signal));
    await outpace(table, sleeper.store, [range(0, 10, 15)]);
    const outcome = await sleeper.log.commit(prepared, signal);
    assert.equal(outcome.kind, "asleep");
    assert.deepEqual(holeOf(sleeper.log, 0), [15, -1]);
    if (sleeper.store.moves)
      assert.equal(await isThere(sleeper.store, firstPath(prepared.commit)), false);
    assert.equal(
      numberIn(
        await sleeper.log.commit(
          await sleeper.log.prepare(await table.flush(range(0, 15, 20)), signal),
          signal,
        ),
      ),
      sleeper.log.state.tip,
    );
  });

  it("what is created in an archived number is nothing, and is removed (rule 1)", async (table) => {
    const sleeper = await table.start();
    await table.land(sleeper, await table.flush(range(0, 0, 10)));
    await outpace(table, sleeper.store, [range(0, 10, 15)]);
    const { log } = sleeper.log.state;
    // A reader that slept finds it where its own next number was.
    await table.forge(2, log, [{ do: "advance", ...topic, ranges: [range(9, 0, 10)] }]);
    await table.forge(1, log, [{ do: "advance", ...topic, ranges: [range(8, 0, 10)] }]);
    await sleeper.log.refresh(signal);
    const reader = await table.start();
    for (const { log: each } of [sleeper, reader]) {
      assert.deepEqual(
        [holeOf(each, 0), holeOf(each, 9), holeOf(each, 8)],
        [
          [15, -1],
          [0, -1],
          [0, -1],
        ],
      );
    }
    const archived: number[] = [];
    let rows = 0;
    for await (const { number, commit } of reader.log.readCommits({ after: 0, to: 999 }, signal)) {
      archived.push(number);
      for (const action of commit.actions) {
        if (action.do === "advance")
          rows += action.ranges.reduce((sum, each) => sum + each.rows, 0);
      }
    }
    assert.deepEqual(
      [archived.length, archived[0], archived.at(-1), rows],
      [999, 1, 999, 15 + 997],
    );
    await reader.log.maintain(signal);
    const left = (await namesOf(reader.store, "_log")).filter(
      (name) => (numberOf(name) ?? 1e9) < 1_000,
    );
    assert.deepEqual(left, []);
  });

  it("lists of removed files are written with the checkpoint, and read when they matter", async (table) => {
    const a = await table.start();
    const landed = await table.land(a, await table.flush(range(0, 0, 10)));
    const file = { commit: landed.number, path: firstPath(landed.commit) };
    await table.land(a, { actions: [{ do: "expire", out: [file] }] });
    for (let index = 2; index < 100; index++) {
      await table.land(a, { advances: [{ ...topic, ranges: [range(1, index, index + 1)] }] });
    }
    await a.log.maintain(signal);
    assert.equal((await namesOf(a.store, "_log/removed/00000000000000")).length, 1);
    const b = await table.start();
    const again = await b.log.prepare({ actions: [{ do: "expire", out: [file] }] }, signal);
    assert.equal((await b.log.commit(again, signal)).kind, "refused");
  });
}

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  LogCorruptError,
  LogForeignError,
  LogUnknownActionError,
  LogVersionError,
} from "../../log/errors.ts";
import { commitPath } from "../../log/paths.ts";
import type { Action, FileReference } from "../../log/protocol.ts";
import type { LogCase } from "./log-conformance.ts";
import {
  holeOf,
  numbersOf,
  range,
  signal,
  topic,
  type LogTable,
  type Process,
} from "./log-table.ts";

const NONE: FileReference = { commit: 0, path: "" };

/** The fold over what anybody may have written, and who must stop: rules 4 and 5. */
export function readingCases(it: LogCase): void {
  it("a commit that breaks a precondition is void, and later ones count (rule 4)", async (table) => {
    const a = await table.start();
    await table.land(a, await table.flush(range(0, 0, 10)));
    const { log } = a.log.state;
    const forged: readonly (readonly Action[])[] = [
      [{ do: "advance", ...topic, ranges: [range(1, 0, 10), range(0, 9, 20)] }],
      [{ do: "advance", ...topic, ranges: [range(1, 0, 10), range(1, 9, 20)] }],
      [{ do: "gap", ...topic, partition: 0, from: 5n, to: 6n, why: "operator", what: "" }],
      [{ do: "add", columns: "t9", files: [] }],
      [{ do: "columns", id: "t1", names: ["text", "id"] }],
      [{ do: "expire", out: [{ commit: 1, path: "dt=2026-11-26/hr=14/none" }] }],
      [{ do: "sweep", below: 100 }],
    ];
    for (const [index, actions] of forged.entries()) await table.forge(2 + index, log, actions);
    await table.forge(9, log, [{ do: "columns", id: "t1", names: ["id", "text"] }], { base: 9 });
    await a.log.refresh(signal);
    assert.equal(a.log.state.tip, 9);
    assert.equal(a.log.state.counters.void, 8);
    await table.land(a, await table.flush(range(1, 0, 10)));
    const b = await table.start();
    assert.deepEqual(
      [holeOf(b.log, 0), holeOf(b.log, 1)],
      [
        [10, -1],
        [10, -1],
      ],
    );
    assert.deepEqual(await numbersOf(b.log), [1, 10]);
    assert.equal(b.log.state.floor, 0);
  });

  outCases(it);

  it("members that a reader does not know are passed over", async (table) => {
    const a = await table.start();
    await table.forge(1, a.log.state.log, [{ do: "dead", files: [], later: true } as Action], {
      note: "from a later version",
    } as object);
    await a.log.refresh(signal);
    assert.deepEqual(await numbersOf(a.log), [1]);
  });

  it("an action that a reader does not know stops it by name (rule 5)", async (table) => {
    const a = await table.start();
    await table.forge(1, a.log.state.log, [{ do: "annex" } as unknown as Action]);
    await assert.rejects(a.log.refresh(signal), LogUnknownActionError);
    await assert.rejects(table.start(), { code: "LANDING_LOG_UNKNOWN_ACTION", message: /"annex"/ });
  });

  it("a version that a reader does not know stops it by name (rule 5)", async (table) => {
    await table.forge(0, randomUUID(), [], { version: 2, table: "tweets" });
    await assert.rejects(table.start(), LogVersionError);
  });

  it("a commit of another log, or another table, stops by name (rule 5)", async (table) => {
    const a = await table.start();
    await table.forge(1, randomUUID(), []);
    await assert.rejects(a.log.refresh(signal), LogForeignError);
    await assert.rejects(table.start(), LogForeignError);
  });

  it("a folder of another table stops by name (rule 5)", async (table) => {
    await table.forge(0, randomUUID(), [], { version: 1, table: "posts" });
    await assert.rejects(table.start(), LogForeignError);
  });

  it("a folder that was wiped under a process stops it by name (rule 5)", async (table) => {
    const a = await table.start();
    await table.land(a, await table.flush(range(0, 0, 10)));
    await a.store.remove(["_log/"], signal);
    await assert.rejects(a.log.refresh(signal), LogForeignError);
    await table.start();
    await assert.rejects(a.log.refresh(signal), LogForeignError);
  });

  it("a commit that is missing or no commit stops by name", async (table) => {
    const a = await table.start();
    await table.forge(2, a.log.state.log, []);
    await assert.rejects(a.log.refresh(signal), LogCorruptError);
    await a.store.put(commitPath(1), Buffer.from('{"log":'), signal);
    await assert.rejects(a.log.refresh(signal), {
      code: "LANDING_LOG_CORRUPT",
      message: /no JSON/,
    });
  });
}

/** Files that are taken out. */
function outCases(it: LogCase): void {
  const filesOf = async (table: LogTable, a: Process, count: number): Promise<FileReference[]> => {
    const files: FileReference[] = [];
    for (let index = 0; index < count; index++) {
      const landed = await table.land(a, await table.flush(range(0, index * 10, index * 10 + 10)));
      for (const action of landed.commit.actions) {
        if (action.do !== "add") continue;
        for (const { path } of action.files) files.push({ commit: landed.number, path });
      }
    }
    return files;
  };

  it("a file is taken out once, by whatever action (rules 8, 11 and 12)", async (table) => {
    const a = await table.start();
    const [first = NONE, second = NONE, third = NONE, fourth = NONE] = await filesOf(table, a, 4);
    const sha256 = "0".repeat(64);
    const file = { path: "dt=2026-11-26/hr=14/whole.parquet", rows: 20, bytes: 1, sha256 };
    const replaced = await table.land(a, {
      actions: [{ do: "replace", out: [first, second], columns: "t1", files: [file] }],
    });
    await table.land(a, {
      actions: [{ do: "quarantine", out: [third], why: "altered", what: "checksum" }],
    });
    for (const out of [first, third, { commit: 9, path: file.path }]) {
      const again = await a.log.prepare({ actions: [{ do: "expire", out: [out] }] }, signal);
      assert.equal((await a.log.commit(again, signal)).kind, "refused");
    }
    const whole = { commit: replaced.number, path: file.path };
    const erased = { ...file, path: "dt=2026-11-26/hr=14/erased.parquet", rows: 19 };
    await table.land(a, {
      actions: [
        {
          do: "erase",
          out: [whole],
          columns: "t1",
          files: [erased],
          who: "me",
          why: "law",
          rows: 1,
        },
        { do: "expire", out: [fourth] },
      ],
    });
    const b = await table.start();
    const twice = await b.log.prepare({ actions: [{ do: "expire", out: [whole] }] }, signal);
    assert.equal((await b.log.commit(twice, signal)).kind, "refused");
  });

  it("what was expired below a number is not live any more (rule 12)", async (table) => {
    const a = await table.start();
    const [first = NONE, second = NONE] = await filesOf(table, a, 2);
    await table.land(a, { actions: [{ do: "expire", below: 2 }] });
    const late = await a.log.prepare({ actions: [{ do: "expire", out: [first] }] }, signal);
    assert.equal((await a.log.commit(late, signal)).kind, "refused");
    await table.land(a, { actions: [{ do: "expire", out: [second] }] });
  });

  it("a former ledger comes in as one range with its files, once (rule 6)", async (table) => {
    const [a, b] = [await table.start(), await table.start()];
    const file = {
      path: "dt=2026-11-20/hr=01/old.parquet",
      rows: 3,
      bytes: 4,
      sha256: "0".repeat(64),
    };
    await a.store.put(file.path, Buffer.from("rows"), signal);
    const gap = {
      ...topic,
      partition: 0,
      from: 0n,
      to: 500n,
      why: "start",
      what: "ledger",
    } as const;
    const content = {
      gaps: [gap],
      advances: [{ ...topic, ranges: [range(0, 500, 90_000)] }],
      columns: { id: "t0", names: ["id"] },
      actions: [{ do: "add", columns: "t0", files: [file] }],
    } as const;
    const [first, second] = [
      await a.log.prepare(content, signal),
      await b.log.prepare(content, signal),
    ];
    assert.equal((await a.log.commit(first, signal)).kind, "committed");
    await a.log.publish(first, signal);
    assert.equal((await b.log.commit(second, signal)).kind, "lost");
    assert.deepEqual(holeOf(b.log, 0), [90_000, -1]);
    assert.equal((await a.store.read(file.path, signal))?.toString(), "rows");
  });
}

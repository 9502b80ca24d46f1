import assert from "node:assert/strict";
import { test } from "node:test";
import { collectEvents } from "@hybridge/core/testing";
import { openLandingLog, takeOverLedgers, type LandingLog } from "../src/index.ts";
import { memoryLanding, subFolder } from "../src/testing/index.ts";

const signal = new AbortController().signal;
const TOPIC = { cluster: "c", topic: "t", topicId: "A" };
const pad = (offset: number) => String(offset).padStart(19, "0");

/** A table as the former version left it, and what lands it now. */
class FormerTable {
  readonly disk = memoryLanding();
  readonly events = collectEvents();
  readonly parent = this.disk.open();
  readonly table = subFolder(this.parent, "tweets");
  visible: bigint | undefined;

  async put(path: string, content: unknown): Promise<void> {
    await this.parent.put(path, Buffer.from(JSON.stringify(content)), signal);
  }

  async begin(first: number, partition = 0): Promise<void> {
    await this.put(`_ledger/t/${partition}/0-begin`, { first: String(first) });
  }

  async cut(first: number, last: number, partition = 0): Promise<void> {
    const cut = { topic: "t", partition, first: String(first), last: String(last) };
    await this.put(`_ledger/t/${partition}/${pad(first)}.cut`, {
      ...cut,
      decidedAtMs: 1,
      schema: "p2",
    });
  }

  async done(first: number, last: number, partition = 0): Promise<void> {
    await this.cut(first, last, partition);
    const cut = { topic: "t", partition, first: String(first), last: String(last) };
    const name = `dt=2026-11-23/hr=09/t-${partition}-${first}-${last}-p2.parquet`;
    await this.put(`tweets/${name}`, "rows");
    const rows = last - first;
    const file = {
      name,
      location: "x",
      dt: "2026-11-23",
      hr: "09",
      rows,
      bytes: 4,
      sha256: "0".repeat(64),
    };
    const entry = { cut, files: [file], rows, deadLetters: 1 };
    await this.put(`_ledger/t/${partition}/${pad(first)}.done`, entry);
  }

  async open(): Promise<LandingLog> {
    const { table: store } = this;
    const { emit } = this.events;
    return await openLandingLog({ store, table: "tweets", writer: "test", emit }, signal);
  }

  async takeOver(log: LandingLog, partitions: readonly number[]): Promise<boolean> {
    const { parent, table } = this;
    const visibleEnd = () => Promise.resolve(this.visible);
    const options = { log, parent, table, visibleEnd, emit: this.events.emit };
    return await takeOverLedgers(options, TOPIC, partitions, signal);
  }
}

async function actionsOf(log: LandingLog): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { commit } of log.readCommits({ after: 0, to: log.state.tip }, signal)) {
    for (const action of commit.actions) {
      if (action.do === "add") found.push(["add", ...action.files.map(({ path }) => path)]);
      if (action.do === "gap") found.push(["gap", action.from, action.to, action.why]);
      if (action.do !== "advance") continue;
      for (const { partition, from, to, rows, dead } of action.ranges) {
        found.push(["advance", partition, from, to, rows, dead]);
      }
    }
  }
  return found;
}

test("what is finished is covered, and only files that the catalog lacked are added", async () => {
  const former = new FormerTable();
  await former.begin(5);
  await former.done(5, 9);
  await former.done(10, 19);
  await former.done(20, 24);
  former.visible = 10n;
  const log = await former.open();
  assert.equal(await former.takeOver(log, [0]), true);
  assert.deepEqual(log.state.position(TOPIC, 0), { from: 25n });
  assert.deepEqual(await actionsOf(log), [
    ["gap", 0n, 5n, "start"],
    ["advance", 0, 5n, 25n, 4 + 9 + 4, 3],
    ["add", "dt=2026-11-23/hr=09/t-0-10-19-p2.parquet", "dt=2026-11-23/hr=09/t-0-20-24-p2.parquet"],
  ]);
  // The former version finds the name of its next cut taken.
  const link = await former.parent.create(`_ledger/t/0/${pad(25)}.cut`, Buffer.from("x"), signal);
  assert.equal(link, "exists");
});

test("once: asked again, or by another process, nothing is added", async () => {
  const former = new FormerTable();
  await former.begin(0);
  await former.done(0, 9);
  const log = await former.open();
  await former.takeOver(log, [0]);
  const before = await actionsOf(log);
  await former.takeOver(log, [0]);
  const other = await former.open();
  await former.takeOver(other, [0]);
  await log.refresh(signal);
  assert.deepEqual(await actionsOf(log), before);
});

test("a cut that was begun is set aside, where it is visible, and read again", async () => {
  const former = new FormerTable();
  await former.begin(0);
  await former.done(0, 9);
  await former.cut(10, 19);
  const begun = "dt=2026-11-23/hr=10/t-0-10-19-p2.parquet";
  await former.put(`tweets/${begun}`, "rows");
  await former.put("tweets/dt=2026-11-23/hr=10/t-0-100-190-p2.parquet", "other rows");
  const log = await former.open();
  await former.takeOver(log, [0]);
  assert.deepEqual(log.state.position(TOPIC, 0), { from: 10n });
  const paths = former.disk.tree.paths().filter((path) => path.includes("hr=10"));
  assert.deepEqual(paths.sort(), [
    `tweets/_quarantine/${begun}`,
    "tweets/dt=2026-11-23/hr=10/t-0-100-190-p2.parquet",
  ]);
  // The former version finds the name of its commit taken.
  const link = await former.parent.create(`_ledger/t/0/${pad(10)}.done`, Buffer.from("x"), signal);
  assert.equal(link, "exists");
});

test("a former version that lands meanwhile wins links until it loses one", async () => {
  const former = new FormerTable();
  await former.begin(0);
  await former.done(0, 9);
  const create = former.parent.create.bind(former.parent);
  let races = 0;
  former.parent.create = async (path, bytes, until) => {
    if (path.startsWith("_ledger") && races < 3) {
      races += 1;
      // It was faster by a moment: a cut, its end, another cut.
      if (races === 1) await former.cut(10, 14);
      if (races === 2) await former.done(10, 14);
      if (races === 3) await former.cut(15, 20);
    }
    return await create(path, bytes, until);
  };
  const log = await former.open();
  await former.takeOver(log, [0]);
  assert.deepEqual(log.state.position(TOPIC, 0), { from: 15n });
});

test("killed in the middle of it, the next process ends it", async () => {
  const former = new FormerTable();
  await former.begin(0);
  for (let first = 0; first < 1_200; first++) await former.done(first, first);
  const log = await former.open();
  let commits = 0;
  const dying: LandingLog = {
    ...log,
    state: log.state,
    prepare: (content, until) => log.prepare(content, until),
    publish: (prepared, until) => log.publish(prepared, until),
    commit(prepared, until) {
      commits += 1;
      if (commits > 1) throw new Error("killed");
      return log.commit(prepared, until);
    },
  };
  await assert.rejects(former.takeOver(dying, [0]), /killed/);
  assert.deepEqual(log.state.position(TOPIC, 0), { from: 1_000n });
  const next = await former.open();
  await former.takeOver(next, [0]);
  assert.deepEqual(next.state.position(TOPIC, 0), { from: 1_200n });
  const added = (await actionsOf(next)).flatMap((action) => {
    return Array.isArray(action) && action[0] === "add" ? (action.slice(1) as string[]) : [];
  });
  assert.equal(added.length, 1_200);
  assert.equal(new Set(added).size, 1_200);
});

test("another log has taken it: refused by name; no ledger: nothing to do", async () => {
  const former = new FormerTable();
  const log = await former.open();
  assert.equal(await former.takeOver(log, [0]), false);
  await former.begin(0, 1);
  await former.put(`_ledger/t/1/${pad(0)}.cut`, { takenOver: "another" });
  await assert.rejects(former.takeOver(log, [1]), { code: "LANDING_LEDGER_TAKEN" });
});

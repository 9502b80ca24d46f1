import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openWarehouse, type Warehouse } from "./landed.ts";
import type { LoaderInput } from "./loader-process.ts";
import { writeLog, writtenLog, type WrittenLog } from "./written-log.ts";

// Loaders as processes of their own, against one endpoint that runs their transactions at once.

const signal = new AbortController().signal;
const COMMITS = 8;
const POSTS = 20;
let warehouse: Warehouse;
let log: WrittenLog;
let logFile: string;

before(async () => {
  warehouse = await openWarehouse();
  log = writtenLog(warehouse);
  for (let index = 0; index < COMMITS; index += 1) {
    const contents = Array.from({ length: POSTS }, (_, each) => ({ post: index * POSTS + each }));
    // The last of each commit is deleted by the next one, from another partition.
    const deletion = { deletionOf: index * POSTS - 1, atS: 100 };
    await log.add(
      { topic: "t", partition: 0, from: index * POSTS, contents },
      ...(index === 0 ? [] : [{ topic: "t", partition: 1, from: index - 1, contents: [deletion] }]),
    );
  }
  logFile = join(warehouse.directory, "log.json");
  await writeLog(logFile, log.commits);
});
after(async () => {
  await warehouse[Symbol.asyncDispose]();
});

interface Loader {
  readonly child: ChildProcess;
  /** How it ended: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Resolves at its next line of output. */
  line(): Promise<void>;
}

function startLoader(table: string, step: number, env: Record<string, string> = {}): Loader {
  const input: LoaderInput = {
    redshift: warehouse.endpoint.addresses.endpoint,
    s3: warehouse.s3.addresses.endpoint,
    table,
    log: logFile,
    step,
  };
  const program = join(import.meta.dirname, "loader-process.ts");
  const child = spawn(
    process.execPath,
    ["--conditions=@hybridge/source", program, JSON.stringify(input)],
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit").then(([code, by]) => (code ?? by) as number | string);
  const line = async () => {
    await Promise.race([once(child.stdout, "data"), ended]);
  };
  return { child, ended, line };
}

async function prepared(table: string): Promise<string> {
  await log.follower({ table }).prepare(signal);
  return table;
}

/** Rows equal records, each once; deletions are in effect. */
async function assertExact(table: string): Promise<void> {
  const [found] = await warehouse.query(
    `SELECT count(*) AS n, count(DISTINCT kafka_offset) AS offsets, count(DISTINCT id) AS ids FROM hybridge.${table}`,
  );
  const n = BigInt(COMMITS * POSTS - (COMMITS - 1));
  assert.deepEqual(found, { n, offsets: n, ids: n });
  const [gone] = await warehouse.query(
    `SELECT count(*) AS n, count(DISTINCT id) AS ids FROM hybridge.${table}_deletions`,
  );
  assert.deepEqual(gone, { n: BigInt(COMMITS - 1), ids: BigInt(COMMITS - 1) });
  const ranges = await warehouse.query(
    `SELECT kafka_partition AS p, first_offset AS f, end_offset AS e, row_count AS n FROM hybridge.${table}_ranges ORDER BY 1`,
  );
  assert.deepEqual(ranges, [
    { p: 0n, f: 0n, e: BigInt(COMMITS * POSTS), n: BigInt(COMMITS * POSTS) },
    { p: 1n, f: 0n, e: BigInt(COMMITS - 1), n: BigInt(COMMITS - 1) },
  ]);
  const [position] = await warehouse.query(
    `SELECT count(*) AS rows, max("number") AS number FROM hybridge.${table}_position`,
  );
  assert.deepEqual(position, { rows: 1n, number: BigInt(COMMITS) });
}

test("two live loaders with other loads load each record once", async () => {
  const table = await prepared("two");
  const loaders = [startLoader(table, 1), startLoader(table, 3), startLoader(table, 2)];
  const endings = await Promise.all(loaders.map(({ ended }) => ended));
  assert.deepEqual(endings, [0, 0, 0]);
  await assertExact(table);
});

for (const point of ["before-load", "during-load", "after-load"]) {
  test(`a loader that is killed at redshift.${point} beside a live one leaves nothing twice, nothing out`, async () => {
    const table = await prepared(`killed_${point.replace("-", "_")}`);
    const doomed = startLoader(table, 2, { HYBRIDGE_FAILPOINT: `redshift.${point}@2` });
    const other = startLoader(table, 3, { HYBRIDGE_FAILPOINT: `redshift.${point}@3` });
    const endings = await Promise.all([doomed.ended, other.ended]);
    // Whoever comes to its failpoint dies there; who found too little left to do ends by itself.
    assert.ok(
      endings.some((ending) => ending === "SIGKILL") &&
        endings.every((ending) => ending === "SIGKILL" || ending === 0),
      String(endings),
    );
    assert.equal(await startLoader(table, 2).ended, 0);
    await assertExact(table);
  });
}

test("a loader that is stopped, and wakes when others have gone on, does no harm", async (t) => {
  const table = await prepared("stopped");
  const sleeper = startLoader(table, 1);
  // Also when an assertion fails: a stopped process would keep this one.
  t.after(() => sleeper.child.kill("SIGKILL"));
  await sleeper.line();
  sleeper.child.kill("SIGSTOP");
  assert.equal(await startLoader(table, 3).ended, 0);
  await assertExact(table);
  sleeper.child.kill("SIGCONT");
  assert.equal(await sleeper.ended, 0);
  await assertExact(table);
});

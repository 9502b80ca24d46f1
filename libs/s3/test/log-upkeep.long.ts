import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLandingLog, type TableStore } from "@hybridge/landing";
import { memoryLanding } from "@hybridge/landing/testing";
import { startS3 } from "@hybridge/local";
import { openS3, s3TableStore } from "../src/index.ts";
import { flushOf, TOPIC } from "./log-upkeep-flush.ts";

const signal = new AbortController().signal;
const emit = () => undefined;
const bucket = "landing";
/** Shortly before the checkpoint with which the first thousand commits go into an archive. */
const BASE_COMMITS = 1_990;
/** More than lie between two checkpoints. */
const COMMITS = 120;

/** In this order each of them comes upon what the one before left. */
const failpoints = [
  "landing-log.after-removed-list",
  "landing-log.after-checkpoint",
  "landing-log.after-archive",
  "landing-log.after-mark",
  "landing-log.after-remove",
  "landing-log.after-publish",
  "landing-log.after-stage@3",
  "landing-log.after-sweep",
  "landing-log.after-swept-files",
];

test("whoever keeps the log small may be killed at any step of it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "hybridge-upkeep-"));
  const local = await startS3({ dir: join(directory, "s3"), buckets: [bucket] });
  try {
    const { endpoint } = local.addresses;
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    await using s3 = openS3({ endpoint, region: "us-east-1", credentials });
    const store = s3TableStore(s3, { bucket, prefix: "" });
    await copyOldLog(store);
    const write = (failpoint: string, commits: number) =>
      runWriter([endpoint, bucket, directory, String(commits)], failpoint);
    for (const failpoint of failpoints) {
      const isSweep = /stage|swe/.test(failpoint);
      const { code, by, errors } = await write(failpoint, isSweep ? 2 : COMMITS);
      assert.equal(by, "SIGKILL", `${failpoint} is not reached: ${code ?? ""} ${errors}`);
    }
    assert.deepEqual(await write("", 2), { code: 0, by: null, errors: "" });
    await checkLog(store);
  } finally {
    await local.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

/** What years leave: a log in memory, of which S3 gets what is its own. The files of rows are gone. */
async function copyOldLog(store: TableStore): Promise<void> {
  const nothing = { localPath: "", bytes: 0, sha256: "0".repeat(64) };
  const readLocal = () => Promise.resolve(Buffer.alloc(0));
  const landing = memoryLanding({ moves: false, listingMax: 1_000, readLocal });
  const options = { store: landing.open(), table: "tweets", writer: "old", emit };
  const log = await openLandingLog(options, signal);
  for (let offset = 0n; offset < BASE_COMMITS; offset++) {
    const prepared = await log.prepare(flushOf(offset, nothing), signal);
    assert.equal((await log.commit(prepared, signal)).kind, "committed");
    await log.publish(prepared, signal);
    await log.maintain(signal);
  }
  const paths = landing.tree.paths().filter((path) => path.startsWith("_log/"));
  assert.ok(paths.length > BASE_COMMITS, "nothing is archived yet");
  for (let from = 0; from < paths.length; from += 16) {
    const some = paths.slice(from, from + 16);
    await Promise.all(
      some.map((path) => store.put(path, landing.tree.read(path) ?? Buffer.alloc(0), signal)),
    );
  }
}

async function runWriter(args: readonly string[], failpoint: string) {
  const program = join(import.meta.dirname, "log-upkeep-process.ts");
  const child = spawn(process.execPath, ["--conditions=@hybridge/source", program, ...args], {
    env: { ...process.env, HYBRIDGE_FAILPOINT: failpoint },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const [code, by] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, by, errors };
}

/** Every offset in one commit, archived or not; nothing left of what the dead had under way. */
async function checkLog(store: TableStore): Promise<void> {
  const log = await openLandingLog({ store, table: "tweets", writer: "check", emit }, signal);
  const { from, to } = log.state.position(TOPIC, 0);
  assert.equal(to, undefined, "no hole");
  let next = 0n;
  for await (const { commit } of log.readCommits({ after: 0, to: log.state.tip }, signal)) {
    for (const action of commit.actions) {
      if (action.do !== "advance") continue;
      for (const range of action.ranges) {
        assert.equal(range.from, next);
        next = range.to;
      }
    }
  }
  assert.equal(next, from);
  assert.ok(from > BASE_COMMITS + 200);
  const names = async (folder: string) => (await store.list(folder, "", signal)).names;
  assert.deepEqual(await names("_log/archive/00000000000000"), ["00000000000000000000.ndjson.gz"]);
  assert.deepEqual(await names("_log/marks"), ["00000000000000001000"]);
  const [first] = (await names("_log")).filter((name) => name.endsWith(".json"));
  assert.equal(first, "00000000000000001000.json", "what is archived is removed");
  assert.deepEqual(await names("_staging"), []);
  const lists = await names("_log/removed/00000000000000");
  assert.ok(lists.length > 0, "files were taken out");
}

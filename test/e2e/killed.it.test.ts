/*
 * The main job while every service and every component is killed once, one soon after the other, in
 * the order that a seed gives (HYBRIDGE_TEST_SEED=n repeats it). Nobody helps: supervision starts
 * each again, the others wait for it, and in the end every post is everywhere once.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

const POSTS = 12_000;
/** Posts flow for 60 s at least; the kills need about 45 of them. */
const POSTS_PER_SECOND = 200;
const BETWEEN_KILLS_MS = { min: 2_000, max: 5_500 };
const FIRST_KILL_MS = 2_000;

const services = ["ingest", "mirror", "warehouse-internal", "warehouse-external", "query-gateway"];
/** Each with its pid file in the cloud's folder. */
const components: Readonly<Record<string, string>> = {
  source: "source/source.pid",
  target: "target/target.pid",
  namenode: "hdfs/namenode.pid",
  datanode: "hdfs/datanode.pid",
  hive: "hive/hive.pid",
  s3: "s3/s3.pid",
  redshift: "redshift/redshift.pid",
};

test("every service and component is killed while posts flow", { timeout: 400_000 }, async (t) => {
  const seed = Number(process.env["HYBRIDGE_TEST_SEED"] ?? Date.now() % 1e6);
  t.diagnostic(`seed ${seed} (HYBRIDGE_TEST_SEED=${seed} repeats it)`);
  const random = randomFrom(seed);
  const dir = mkdtempSync(join(tmpdir(), "hybridge-killed-"));
  const job = startJob(dir);
  let passed = false;
  try {
    await job.untilLine(/^all five services are serving/);
    await delay(FIRST_KILL_MS);
    for (const name of shuffled([...services, ...Object.keys(components)], random)) {
      assert.equal(job.hasEnded(), false, `the job ended before ${name} was killed`);
      const pid = pidOf(dir, name);
      // Throws when there is no such process.
      process.kill(pid, "SIGKILL");
      t.diagnostic(`killed ${name}, process ${pid}`);
      await job.untilLine(new RegExp(`^${name} (has )?ended \\(SIGKILL`));
      await delay(BETWEEN_KILLS_MS.min + random() * (BETWEEN_KILLS_MS.max - BETWEEN_KILLS_MS.min));
    }
    assert.equal(await job.ended, 0, "exit code");
    const { seconds, ...counts } = JSON.parse(job.lastLine()) as Record<string, unknown>;
    assert.deepEqual(counts, {
      ingested: POSTS,
      source: POSTS,
      target: POSTS,
      hive: POSTS,
      s3: POSTS,
      redshift: POSTS,
      distinctIds: POSTS,
      reconciled: true,
    });
    if (process.platform === "linux") assert.deepEqual(await processesOf(dir), []);
    else t.diagnostic("processes left behind are not looked for: that needs /proc");
    t.diagnostic(`${POSTS} posts are in all places, after ${String(seconds)} s`);
    passed = true;
  } finally {
    await job.stop();
    if (passed) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    else t.diagnostic(`${job.said()}\nlogs and data are kept in ${dir}`);
  }
});

/** The main job as its own process, with its data in `dir`. */
function startJob(dir: string) {
  // Our own setting is not one of the job, which refuses what it does not know.
  const env = { ...process.env };
  delete env["HYBRIDGE_TEST_SEED"];
  const child = spawn(
    process.execPath,
    [
      ...["--conditions=@hybridge/source", "apps/cli/src/main.ts", "run", "--once"],
      ...["--posts", String(POSTS), "--rate", String(POSTS_PER_SECOND)],
      // A folder within ours: the job keeps its lock beside its folder.
      ...["--dir", join(dir, "job")],
    ],
    { cwd: join(import.meta.dirname, "../.."), env, stdio: ["ignore", "pipe", "pipe"] },
  );
  const lines: string[] = [];
  const output: string[] = [];
  createInterface(child.stderr).on("line", (line) => lines.push(line));
  createInterface(child.stdout).on("line", (line) => output.push(line));
  let over = false;
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      over = true;
      resolve(code);
    });
  });
  return {
    ended,
    hasEnded: () => over,
    lastLine: () => output.at(-1) ?? "",
    said: () => [...lines, ...output].join("\n"),
    async untilLine(pattern: RegExp): Promise<void> {
      while (!lines.some((line) => pattern.test(line))) {
        assert.ok(!over, `the job ended without saying ${String(pattern)}`);
        await delay(50);
      }
    },
    /** Ctrl-C; a job that has ended is left alone. */
    async stop(): Promise<void> {
      if (!over) child.kill("SIGINT");
      await ended;
    },
  };
}

function pidOf(dir: string, name: string): number {
  const file = components[name];
  if (file === undefined) return listeningPid(join(dir, "job/logs", `${name}.log`));
  const text = readFileSync(join(dir, "job/cloud", file), "utf8");
  return (JSON.parse(text) as { process: { pid: number } }).process.pid;
}

/** A service logs its pid with every event; the last that listened is the one that runs. */
function listeningPid(logFile: string): number {
  const line = readFileSync(logFile, "utf8")
    .split("\n")
    .findLast((text) => text.includes("service.listening"));
  assert.ok(line !== undefined, `${logFile} does not say that the service listens`);
  return (JSON.parse(line) as { pid: number }).pid;
}

/**
 * Processes whose arguments or environment name the folder: services, components, and what watches
 * over them. The job waits for what it started, so that what is seen here was left behind; only the
 * shells beside killed components end a moment later by themselves.
 */
async function processesOf(dir: string): Promise<readonly string[]> {
  let found: string[] = [];
  for (let tries = 0; tries < 100; tries++) {
    found = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && names(pid, dir));
    if (found.length === 0) return [];
    await delay(100);
  }
  return found.map((pid) => `${pid} ${readProc(pid, "cmdline").replaceAll("\0", " ")}`);
}

function names(pid: string, dir: string): boolean {
  // A shell that stands in the folder to look at it is not ours.
  const environment = readProc(pid, "environ").split("\0");
  const ours = environment.filter((entry) => !/^(OLD)?PWD=/.test(entry));
  return [readProc(pid, "cmdline"), ...ours].some((text) => text.includes(dir));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // It ended, or belongs to somebody else.
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** Numbers in [0, 1) that a seed repeats (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

import { readFileSync } from "node:fs";
import type { Random } from "@hybridge/kafka/testing";
import type { WarehouseProcess } from "@hybridge/warehouse/testing";
import type { Components } from "./components.ts";

/** What a fault can get hold of. */
export interface Stage {
  readonly components: Components;
  readonly random: Random;
  /** The warehouses that run now; at least one between two faults. */
  readonly processes: WarehouseProcess[];
  start(more?: Readonly<Record<string, string>>): WarehouseProcess;
  /** Asks one to stop, and says so when it does not end well. */
  leave(process: WarehouseProcess): Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** How often it is drawn: bounces of components take seconds. */
  readonly weight: number;
  /** Says what it did. */
  readonly strike: (stage: Stage) => Promise<string>;
}

/** A group hears of a dead process after this time. */
export const SESSION_MS = 6_000;
const BEYOND_SESSION_MS = 14_000;
const PROCESSES_MAX = 3;
/** A process joins, reads and flushes in this time, or the failpoint is none of its own. */
const FAILPOINT_MS = 30_000;

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** Those that every flush passes, by the list of them all; the log's upkeep comes later in its life. */
function flushFailpoints(): string[] {
  const table = readFileSync(new URL("../../../docs/failpoints.md", import.meta.url), "utf8");
  const names = [...table.matchAll(/^\| ([\w.-]+) \|/gm)].map(([, name = ""]) => name);
  const upkeep = /archive|checkpoint|mark|remove|sweep|quarantine|take-over|behind|leaving-out/;
  return names.filter((name) => /^(landing|landing-log|hdfs)\./.test(name) && !upkeep.test(name));
}

function remove(stage: Stage, process: WarehouseProcess): void {
  stage.processes.splice(stage.processes.indexOf(process), 1);
}

async function kill(stage: Stage): Promise<string> {
  const ms = Math.floor(stage.random() * 1_500);
  await sleep(ms);
  const victim = pick(stage.random, stage.processes);
  victim.kill("SIGKILL");
  await victim.ended;
  remove(stage, victim);
  stage.start();
  return `kill after ${ms} ms`;
}

/** All others go, so that it has the work to itself and passes the place for sure. */
async function killAtFailpoint(stage: Stage): Promise<string> {
  const at = `${pick(stage.random, flushFailpoints())}@${1 + Math.floor(stage.random() * 3)}`;
  for (const process of [...stage.processes]) {
    process.kill("SIGKILL");
    await process.ended;
    remove(stage, process);
  }
  const victim = stage.start({ HYBRIDGE_FAILPOINT: at });
  const end = await Promise.race([victim.ended, sleep(FAILPOINT_MS)]);
  if (end?.signal !== "SIGKILL")
    throw new Error(`${at} was not reached:\n${victim.log().slice(-2_000)}`);
  remove(stage, victim);
  stage.start();
  return `kill at ${at}`;
}

function asleep(name: string, leastMs: number, mostMs: number, weight: number): Fault {
  return {
    name,
    weight,
    async strike(stage) {
      const ms = leastMs + Math.floor(stage.random() * (mostMs - leastMs));
      const sleeper = pick(stage.random, stage.processes);
      if (stage.processes.length === 1 && ms > SESSION_MS) stage.start();
      sleeper.kill("SIGSTOP");
      await sleep(ms);
      sleeper.kill("SIGCONT");
      return `asleep for ${ms} ms`;
    },
  };
}

async function join(stage: Stage): Promise<string> {
  if (stage.processes.length >= PROCESSES_MAX) return await leave(stage);
  stage.start();
  await sleep(500 + stage.random() * 1_500);
  return "one more";
}

async function leave(stage: Stage): Promise<string> {
  const process = pick(stage.random, stage.processes);
  if (stage.processes.length === 1) stage.start();
  await stage.leave(process);
  return "one leaves";
}

async function roll(stage: Stage): Promise<string> {
  for (const process of [...stage.processes]) {
    stage.start();
    await sleep(stage.random() * 1_000);
    await stage.leave(process);
  }
  return "all replaced one by one";
}

async function swallow(stage: Stage): Promise<string> {
  const answers = 1 + Math.floor(stage.random() * 6);
  stage.components.swallower.swallow(answers);
  await sleep(1_500);
  return `${answers} answers of the NameNode swallowed`;
}

function bounce(
  name: string,
  weight: number,
  of: (components: Components) => { kill(): Promise<void>; restart(): Promise<void> },
): Fault {
  return {
    name,
    weight,
    async strike(stage) {
      const component = of(stage.components);
      await component.kill();
      await sleep(stage.random() * 1_500);
      await component.restart();
      return name;
    },
  };
}

export const faults: readonly Fault[] = [
  { name: "kill", weight: 4, strike: kill },
  { name: "kill at a failpoint", weight: 4, strike: killAtFailpoint },
  asleep("asleep for a moment", 200, 3_000, 2),
  asleep("asleep beyond the session", BEYOND_SESSION_MS, BEYOND_SESSION_MS + 3_000, 2),
  { name: "join", weight: 3, strike: join },
  { name: "leave", weight: 2, strike: leave },
  { name: "rolling restart", weight: 2, strike: roll },
  { name: "swallowed answers", weight: 3, strike: swallow },
  bounce("NameNode killed", 1, ({ hdfs }) => hdfs.nameNode),
  bounce("DataNode killed", 1, ({ hdfs }) => hdfs.dataNode),
  bounce("Kafka killed", 1, ({ kafka }) => kafka),
  bounce("Hive killed", 1, ({ hive }) => hive),
];

/** Three to five of them, in the order in which they strike. */
export function drawFaults(random: Random): readonly Fault[] {
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: 3 + Math.floor(random() * 3) }, () => {
    let at = random() * total;
    return faults.find(({ weight }) => (at -= weight) < 0) ?? pick(random, faults);
  });
}

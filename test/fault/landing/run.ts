import { writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { hdfsTableStore } from "@hybridge/hdfs";
import { createTopicIfMissing } from "@hybridge/kafka";
import { seededRandom } from "@hybridge/kafka/testing";
import { landedFiles, startWarehouse, type WarehouseProcess } from "@hybridge/warehouse/testing";
import { runOnce, type Outcome } from "../runs.ts";
import type { Components } from "./components.ts";
import { drawFaults, SESSION_MS, sleep, type Stage } from "./faults.ts";
import { rowsInFiles, rowsInHive } from "./rows.ts";
import { fillUntil, PARTITIONS, type Written } from "./workload.ts";

const RUN_MS = 8 * 60_000;
const PATIENCE_MS = 3 * 60_000;

/** Breaks warehouses and what they stand on while records stream, and compares; never throws. */
export function runSeed(components: Components, seed: number): Promise<Outcome> {
  return runOnce("landing", seed, (struck) => strike(components, seed, struck));
}

async function strike(components: Components, seed: number, struck: string[]): Promise<number> {
  const signal = AbortSignal.timeout(RUN_MS);
  const random = seededRandom(seed);
  const topic = `fault-${seed}`;
  const cluster = { bootstrap: components.kafka.addresses.bootstrap, clientId: "fault" };
  await createTopicIfMissing(cluster, { topic, partitions: PARTITIONS }, signal);
  await using group = new Group(components, topic);
  const stage: Stage = {
    components,
    random,
    processes: group.processes,
    start: (more) => group.start(more),
    leave: (process) => group.leave(process),
  };
  const enough = new AbortController();
  const filling = fillUntil(cluster, topic, seed, enough.signal, signal);
  filling.catch(() => undefined);
  for (let left = 1 + Math.floor(random() * 2); left > 0; left -= 1) group.start();
  try {
    await sleep(random() * 4_000);
    for (const fault of drawFaults(random)) struck.push(await fault.strike(stage));
  } finally {
    enough.abort();
  }
  const written = await filling;
  await group.landed(signal);
  await judge(components, topic, written, signal);
  return written.rows.length + written.bad.length;
}

/** The warehouses of one run. */
class Group implements AsyncDisposable {
  readonly processes: WarehouseProcess[] = [];
  readonly #started: WarehouseProcess[] = [];
  readonly #components: Components;
  readonly #topic: string;

  constructor(components: Components, topic: string) {
    this.#components = components;
    this.#topic = topic;
  }

  start(more: Readonly<Record<string, string>> = {}): WarehouseProcess {
    const { kafka, hive, swallower, dir } = this.#components;
    const process = startWarehouse("warehouse-internal", {
      HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
      HYBRIDGE_TOPIC: this.#topic,
      HYBRIDGE_GROUP_ID: this.#topic,
      HYBRIDGE_GROUP_PROTOCOL: "classic",
      HYBRIDGE_SESSION_TIMEOUT_MS: String(SESSION_MS),
      HYBRIDGE_WEBHDFS_URL: swallower.url,
      HYBRIDGE_HDFS_DIR: `/${this.#topic}`,
      HYBRIDGE_HDFS_USER: userInfo().username,
      HYBRIDGE_HIVE: hive.addresses.address,
      HYBRIDGE_HIVE_TABLE: tableOf(this.#topic),
      HYBRIDGE_FLUSH_INTERVAL_MS: "300",
      HYBRIDGE_FLUSH_RECORDS_MAX: "2000",
      HYBRIDGE_REGISTER_INTERVAL_MS: "300",
      HYBRIDGE_STAGING_DIR: join(dir, "staging"),
      ...more,
    });
    this.#started.push(process);
    this.processes.push(process);
    return process;
  }

  async leave(process: WarehouseProcess): Promise<void> {
    this.processes.splice(this.processes.indexOf(process), 1);
    process.kill("SIGTERM");
    const { code, signal } = await process.ended;
    // One that has not begun to run ends as any program does.
    if (code === 0 || (signal === "SIGTERM" && process.log() === "")) return;
    const end = signal ?? `exit code ${code}`;
    throw new Error(`asked to stop, one ended with ${end}:\n${process.log().slice(-2_000)}`);
  }

  /** Until together they have landed everything and Hive shows it; then they stop. */
  async landed(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      signal.throwIfAborted();
      const answers = await Promise.all(this.processes.map((process) => process.status()));
      const partitions = answers.flatMap((answer) => answer?.partitions ?? []);
      const numbers = new Set(partitions.map(({ partition }) => partition));
      const isAll = numbers.size === PARTITIONS && partitions.length === PARTITIONS;
      const isDone = partitions.every(({ lag, queryableOffset, landedOffset, endOffset }) => {
        return lag === 0n && endOffset > 0n && queryableOffset === landedOffset;
      });
      if (isAll && isDone) break;
      if (performance.now() > deadline) {
        const reasons = answers.map((answer) => answer?.reason ?? "no answer").join("; ");
        throw new Error(`not everything was landed: ${reasons}; ${this.logs()}`);
      }
      await sleep(200);
    }
    for (const process of [...this.processes]) await this.leave(process);
  }

  logs(): string {
    return this.processes.map((process) => process.log().slice(-1_500)).join("\n---\n");
  }

  async [Symbol.asyncDispose]() {
    for (const process of this.#started) {
      process.kill("SIGCONT");
      await process[Symbol.asyncDispose]();
    }
    const log = this.#started.map((process) => process.log()).join("\n--- next process\n");
    await writeFile(join(this.#components.dir, `${this.#topic}.log`), log);
  }
}

function tableOf(topic: string): string {
  return topic.replaceAll("-", "_");
}

async function judge(
  components: Components,
  topic: string,
  written: Written,
  signal: AbortSignal,
): Promise<void> {
  const { client, hive, dir } = components;
  if (written.rows.length === 0) throw new Error("nothing was written: the run proves nothing");
  const wanted = written.rows.toSorted();
  const folder = `/${topic}/tweets`;
  const scratch = join(dir, `scratch-${topic}`);
  same("HDFS", await rowsInFiles(client, folder, scratch, signal), wanted);
  const { deadLetters, gaps } = await landedFiles(hdfsTableStore(client, folder), signal);
  same("the dead letters", deadLetters, written.bad.toSorted());
  const wrong = gaps.filter((gap) => !gap.endsWith(" start"));
  if (wrong.length > 0) throw new Error(`gaps where none is: ${wrong.join(", ")}`);
  same("Hive", await rowsInHive(hive.addresses.address, tableOf(topic), signal), wanted);
}

/** @throws Error that names what is missing, doubled or strange, and where */
function same(place: string, found: readonly string[], wanted: readonly string[]): void {
  const left = new Set(wanted);
  const doubled = found.filter((row, index) => found[index - 1] === row);
  const strange = found.filter((row) => !left.has(row));
  for (const row of found) left.delete(row);
  if (left.size + doubled.length + strange.length === 0) return;
  const some = (rows: Iterable<string>) => [...rows].slice(0, 5).join(", ");
  throw new Error(
    `${place}: ${left.size} missing (${some(left)}), ${doubled.length} doubled (${some(doubled)}), ` +
      `${strange.length} strange (${some(strange)}) of ${wanted.length}`,
  );
}

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { retry } from "@hybridge/core";
import { readOffsets } from "@hybridge/kafka";
import type { PartitionStatus } from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import { compareTopics, MismatchError, seededRandom, type Random } from "@hybridge/kafka/testing";
import { runOnce, type Outcome } from "../runs.ts";
import type { Clusters } from "./clusters.ts";
import { drawFaults, sleep, type Stage } from "./faults.ts";
import { startMirrorService, type MirrorService } from "./service.ts";
import { deadLetterOffsets, fillUntil, hugeOffsets, makeTopics, type Offsets } from "./workload.ts";

const RUN_MS = 4 * 60_000;
const PATIENCE_MS = 60_000;
/** Source and target are read again after this time: a late doubling would show. */
const QUIET_MS = 300;

/** Breaks a mirror as the seed says while records stream, and compares what came out; never throws. */
export function runSeed(clusters: Clusters, seed: number): Promise<Outcome> {
  return runOnce("mirror", seed, (struck) => strike(clusters, seed, struck));
}

async function strike(clusters: Clusters, seed: number, struck: string[]): Promise<number> {
  const { source, target } = clusters;
  const signal = AbortSignal.timeout(RUN_MS);
  const random = seededRandom(seed);
  const drawn = drawFaults(random);
  // A neighbouring run may just have a broker down.
  const topic = await retry(() => makeTopics(source.direct, target.direct, seed, signal), {
    signal,
    tries: 20,
    maxMs: 1_000,
  });
  const logFile = join(clusters.dir, `${topic}.log`);
  await using services = new Services(clusters, topic, seed, logFile);
  const stage: Stage = {
    source,
    target,
    random,
    current: () => services.current,
    start: (more) => services.start(more),
  };
  const done = new AbortController();
  const filling = fillUntil(source.direct, topic, seed, done.signal, signal);
  try {
    services.start();
    // By chance the first fault comes while the mirror starts, or when it is at work.
    if (random() < 0.3) await sleep(random() * 1_000);
    else await untilMoving(clusters, topic, signal);
    for (const fault of drawn) struck.push(await fault.strike(stage));
    done.abort();
    await filling;
    return await judge(clusters, topic, services, struck, signal);
  } finally {
    done.abort();
    await filling.catch(() => undefined);
  }
}

/** The mirrors of one run. */
class Services implements AsyncDisposable {
  readonly #started: MirrorService[] = [];
  readonly #clusters: Clusters;
  readonly #topic: string;
  readonly #logFile: string;
  /** Not the one of the faults: how many mirrors are started can depend on time. */
  readonly #random: Random;

  constructor(clusters: Clusters, topic: string, seed: number, logFile: string) {
    this.#clusters = clusters;
    this.#topic = topic;
    this.#logFile = logFile;
    this.#random = seededRandom(seed ^ 0x5e77);
  }

  get current(): MirrorService {
    return this.#started.at(-1) ?? this.start();
  }

  start(more: Readonly<Record<string, string>> = {}): MirrorService {
    const random = this.#random;
    const settings = {
      HYBRIDGE_SOURCE_BOOTSTRAP: this.#clusters.source.proxied,
      HYBRIDGE_TARGET_BOOTSTRAP: this.#clusters.target.proxied,
      HYBRIDGE_TOPICS: this.#topic,
      HYBRIDGE_MIRROR_ID: this.#topic,
      HYBRIDGE_DEAD_LETTER_TOPIC: deadLettersOf(this.#topic),
      HYBRIDGE_POSITIONS_MS: random() < 0.5 ? "200" : "5000",
      HYBRIDGE_IN_FLIGHT: String(1 + Math.floor(random() * 12)),
      HYBRIDGE_MERGE: random() < 0.7 ? "auto" : "off",
      HYBRIDGE_DISCOVER_MS: "500",
      ...more,
    };
    const service = startMirrorService(settings, this.#logFile);
    this.#started.push(service);
    return service;
  }

  /** What the log says about a mirror that ended although nobody killed or replaced it. */
  get complaint(): string | undefined {
    for (const { exit, hasRival } of this.#started) {
      if (!exit || exit.signal !== null || hasRival) continue;
      return `a mirror ended by itself with exit code ${exit.code}; its log ends with:\n${this.#logTail}`;
    }
    return undefined;
  }

  /**
   * Starts the current mirror again when a rival, dead by now, took partitions from it. It may do
   * so while it starts itself: the newest take-over counts. @returns whether that was so
   */
  async restartLoser(): Promise<boolean> {
    const { current } = this;
    if (!current.hasRival) return false;
    const isLost = ({ state, reason }: PartitionStatus) =>
      state === "FAILED" && reason.startsWith("another mirror");
    if (!(await current.status()).some(isLost)) return false;
    await current.end();
    this.start();
    return true;
  }

  /** What the current mirror says of its partitions, and what was logged of late. */
  async describe(): Promise<string> {
    const partitions = (await this.current.status()).map(
      ({ partition, state, sourceOffset, lag, reason }) =>
        `partition ${partition} is ${state} at source offset ${sourceOffset}, lag ${lag} ${reason}`,
    );
    return [...partitions, this.#logTail].join("\n");
  }

  get #logTail(): string {
    const lines = readFileSync(this.#logFile, "utf8").trimEnd().split("\n");
    const telling = lines.filter((line) => !line.includes('"level":"info"'));
    return telling.slice(-5).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.#started) await service.end();
  }
}

const deadLettersOf = (topic: string) => `dead-${topic}`;

async function untilMoving(clusters: Clusters, topic: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + 5_000;
  while (Date.now() < until) {
    const offsets = await readOffsets(clusters.target.direct, topic, signal).catch(() => undefined);
    // The fence is one offset; more is data.
    if (offsets && [...offsets.values()].some(({ end }) => end > 1n)) return;
    await sleep(50);
  }
}

/** Waits until source and target are the same; what they never become is the failure. */
async function judge(
  clusters: Clusters,
  topic: string,
  services: Services,
  struck: string[],
  signal: AbortSignal,
): Promise<number> {
  const from = { cluster: clusters.source.direct, topic };
  const to = { cluster: clusters.target.direct, topic };
  const deadline = Date.now() + PATIENCE_MS;
  let leftOut: Offsets | undefined;
  for (;;) {
    // The last one may have been replaced by a rival that the fault then killed.
    if (services.current.exit) services.start();
    if (await services.restartLoser()) struck.push("started again after the rival took over");
    const { complaint } = services;
    if (complaint !== undefined) throw new Error(complaint);
    try {
      leftOut ??= await hugeOffsets(from.cluster, topic, signal);
      await compareTopics(from, to, signal, leftOut);
      await sleep(QUIET_MS);
      const { records } = await compareTopics(from, to, signal, leftOut);
      if (leftOut.size === 0) return records;
      const letters = await deadLetterOffsets(to.cluster, deadLettersOf(topic), signal);
      if (isDeepStrictEqual(inOrder(letters), inOrder(leftOut))) return records;
      throw new MismatchError("the dead letters are not the records that are left out");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (Date.now() > deadline) {
        throw new Error(`${reason}\n${await services.describe()}`, { cause: error });
      }
      await sleep(250);
    }
  }
}

/** Partitions with their offsets, in order: maps and sets remember in which order they were filled. */
function inOrder(offsets: Offsets): [number, bigint[]][] {
  return [...offsets]
    .map(([partition, set]): [number, bigint[]] => [partition, [...set].sort(byValue)])
    .sort(([a], [b]) => a - b);
}

const byValue = (a: bigint, b: bigint) => (a < b ? -1 : Number(a > b));

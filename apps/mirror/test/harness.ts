import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partitionCount, readOffsets, type ClusterOptions } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  type Comparison,
  type Random,
} from "@hybridge/kafka/testing";
import { startKafka, type Kafka, type KafkaOptions } from "@hybridge/local";
import { hasCaughtUp, startMirrorProcess, type MirrorProcess } from "./mirror-process.ts";

type BrokerOptions = Pick<KafkaOptions, "settings" | "heapMb" | "ports">;

/** A source and a target broker, and what every test of the mirror does with them. */
export interface Pair extends AsyncDisposable {
  /** Holds the brokers' folders; gone at the end. */
  readonly dir: string;
  readonly brokers: { readonly source: Kafka; readonly target: Kafka };
  readonly source: ClusterOptions;
  readonly target: ClusterOptions;
  /** Starts a mirror of these topics (a pattern); its id follows from the pattern. */
  readonly start: (topics: string, more?: Readonly<Record<string, string>>) => MirrorProcess;
  /** Appends random records to every partition of a source topic, each in some codec. */
  readonly fill: (topic: string, random: Random, batches?: number) => Promise<void>;
  /** Waits until the mirror says that nothing of these topics is left. */
  readonly untilMirrored: (mirror: MirrorProcess, ...topics: string[]) => Promise<void>;
  /** The oracle: source and target hold the same, but for what is left out, by partition. */
  readonly assertSame: (
    topic: string,
    leftOut?: ReadonlyMap<number, ReadonlySet<bigint>>,
  ) => Promise<Comparison>;
}

export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** Long enough for a busy machine; a test that needs it all has failed. */
export const within = () => AbortSignal.timeout(90_000);

/** Starts both brokers. Whoever calls it disposes of it when the tests are over. */
export async function startPair(
  name: string,
  more: { readonly source?: BrokerOptions; readonly target?: BrokerOptions } = {},
): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), `hybridge-${name}-`));
  const [from, to] = await Promise.all([
    startKafka({ ...more.source, dir: join(dir, "source"), name: "source" }),
    startKafka({ ...more.target, dir: join(dir, "target"), name: "target" }),
  ]);
  const source: ClusterOptions = { bootstrap: from.addresses.bootstrap, clientId: "it" };
  const target: ClusterOptions = { bootstrap: to.addresses.bootstrap, clientId: "it" };
  return {
    dir,
    brokers: { source: from, target: to },
    source,
    target,
    start: (topics, settings = {}) =>
      startMirrorProcess({
        HYBRIDGE_SOURCE_BOOTSTRAP: source.bootstrap,
        HYBRIDGE_TARGET_BOOTSTRAP: target.bootstrap,
        HYBRIDGE_TOPICS: topics,
        HYBRIDGE_MIRROR_ID: `mirror-${topics}`,
        HYBRIDGE_POSITIONS_MS: "200",
        ...settings,
      }),
    fill: (topic, random, batches = 10) => fill(source, topic, random, batches),
    untilMirrored: async (mirror, ...topics) => {
      const ends = await endsOf(source, topics);
      assert.ok(await mirror.until(hasCaughtUp(ends)), `the mirror ended:\n${mirror.log()}`);
    },
    assertSame: (topic, leftOut) =>
      compareTopics({ cluster: source, topic }, { cluster: target, topic }, within(), leftOut),
    async [Symbol.asyncDispose]() {
      await Promise.all([from.stop(), to.stop()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function fill(
  source: ClusterOptions,
  topic: string,
  random: Random,
  batches: number,
): Promise<void> {
  const partitions = (await partitionCount(source, topic, within())) ?? 1;
  for (let partition = 0; partition < partitions; partition++) {
    const compression = CODECS[Math.floor(random() * CODECS.length)] ?? "none";
    const lists = Array.from({ length: batches }, () =>
      randomRecords(random, 1 + Math.floor(random() * 40)),
    );
    await produceBatches(source, { topic, partition, compression }, lists, within());
  }
}

async function endsOf(
  source: ClusterOptions,
  topics: readonly string[],
): Promise<Map<string, ReadonlyMap<number, bigint>>> {
  const ends = new Map<string, ReadonlyMap<number, bigint>>();
  for (const topic of topics) {
    const offsets = await readOffsets(source, topic, within());
    ends.set(topic, new Map([...offsets].map(([partition, { end }]) => [partition, end])));
  }
  return ends;
}

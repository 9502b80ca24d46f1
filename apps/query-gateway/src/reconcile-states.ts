import { describeError, retryOf } from "@hybridge/core";
import type { CountedRange, OffsetRange, TopicLog } from "@hybridge/kafka";
import type { MirroredPartition } from "@hybridge/mirror";
import type { PartitionState } from "@hybridge/query";
import type { GuardedEngine, QueryLimits } from "./engine.ts";
import { NothingMirroredError } from "./errors.ts";
import { collectRows, integerOf } from "./rows.ts";

/** Where the parts of a comparison come from. */
export interface ReconcileSources {
  readonly hive: GuardedEngine;
  readonly redshift: GuardedEngine;
  /** Undefined: no source is set. */
  readonly source: SourceLog | undefined;
  /** The mirror's runs of a source topic, by partition. */
  positions(topic: string, signal: AbortSignal): Promise<ReadonlyMap<number, MirroredPartition>>;
  /**
   * Up to which source offset partitions are visible in Hive, as of one moment; undefined when
   * there is no table.
   */
  internalEnds(topic: string, signal: AbortSignal): Promise<EndOf | undefined>;
}

export type EndOf = (partition: number) => bigint | undefined;

/** The source cluster, as far as it is asked. */
export interface SourceLog {
  describe(topic: string, signal: AbortSignal): Promise<TopicLog>;
  /** Counts the committed records of ranges, in their order. */
  count(
    topic: string,
    ranges: readonly OffsetRange[],
    signal: AbortSignal,
  ): Promise<readonly CountedRange[]>;
}

export interface StateTables {
  /** What Redshift has loaded, by ranges of offsets. */
  readonly redshiftRanges: string;
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** The source when a comparison began, or why nothing is known of it. */
export interface SourceSnapshot {
  readonly log: TopicLog | undefined;
  readonly reasons: readonly string[];
  readonly takenAtMs: number;
}

/** Longer the source is not waited for: what it would say is then missing from the report. */
const SOURCE_MS_MAX = 15_000;

/** Without the source the sides are still compared, and the verdict says that it is unknown. */
export async function readSource(
  source: SourceLog | undefined,
  topic: string,
  signal: AbortSignal,
): Promise<SourceSnapshot> {
  const takenAtMs = Date.now();
  const unknown = (why: string) => ({
    log: undefined,
    reasons: [`source unknown, not reconciled: ${why}`],
    takenAtMs,
  });
  if (source === undefined) return unknown("HYBRIDGE_SOURCE_BOOTSTRAP is not set");
  try {
    return { log: await source.describe(topic, atMost(signal)), reasons: [], takenAtMs };
  } catch (error) {
    signal.throwIfAborted();
    return unknown(describeError(error));
  }
}

/** The name that the mirror gave a topic in the target: its own, unless there is a prefix. */
export async function readTargetTopic(
  sources: ReconcileSources,
  sourceTopic: string,
  signal: AbortSignal,
): Promise<string> {
  const [first] = (await sources.positions(sourceTopic, signal)).values();
  return first?.targetTopic ?? sourceTopic;
}

/** A signal that also ends a wait for the source. */
export function atMost(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MS_MAX)]);
}

/** How far Redshift has loaded one partition; target offsets. */
interface Load {
  readonly end: bigint;
  readonly deadLetters: bigint;
}

export interface Gathered {
  readonly states: readonly PartitionState[];
  readonly reasons: readonly string[];
  /** False: there is no such table, and the side holds nothing. */
  readonly hasHive: boolean;
  readonly hasRedshift: boolean;
  /** The same as long as Redshift has loaded nothing more. */
  readonly loadsMark: string;
}

/**
 * What is known of all partitions: those of the source and those that the mirror has carried.
 * Positions are read last: they may only lag behind what Redshift holds, and then rows count as
 * not placed yet.
 *
 * @throws NothingMirroredError when neither the source nor the mirror know of the topic
 */
export async function gatherStates(
  sources: ReconcileSources,
  tables: StateTables,
  { log }: SourceSnapshot,
  limits: QueryLimits,
): Promise<Gathered> {
  const { sourceTopic } = tables;
  const { signal } = limits;
  const internal = await sources.internalEnds(sourceTopic, signal);
  const loads = await readLoads(sources.redshift, tables, limits);
  const mirrored = await sources.positions(sourceTopic, signal);
  const partitions = new Set([...(log?.partitions.keys() ?? []), ...mirrored.keys()]);
  if (partitions.size === 0) {
    throw new NothingMirroredError(
      `the mirror has written down no positions of the topic ${sourceTopic}, and the source does not say what it holds; is it the topic's name, and is the mirror running?`,
    );
  }
  const foreign = [...mirrored].filter(
    ([, { sourceTopicId, targetTopic }]) =>
      (log !== undefined && sourceTopicId !== log.topicId) || targetTopic !== tables.targetTopic,
  );
  const foreignPartitions = new Set(foreign.map(([partition]) => partition));
  const states = [...partitions].map((partition): PartitionState => {
    const load = loads.byPartition.get(partition);
    return {
      partition,
      source: log?.partitions.get(partition),
      runs: foreignPartitions.has(partition) ? [] : (mirrored.get(partition)?.runs ?? []),
      internalEnd: internal?.(partition) ?? 0n,
      externalEnd: load?.end ?? 0n,
      deadLetters: load?.deadLetters ?? 0n,
    };
  });
  const reasons = [
    ...(internal === undefined
      ? ["Hive has no table of posts: has warehouse-internal ever run?"]
      : []),
    ...(loads.reason === undefined ? [] : [loads.reason]),
    ...[...foreignPartitions].map(
      (partition) =>
        `partition ${partition}: the mirror's positions are of an earlier topic with this name, or lead to another topic than ${tables.targetTopic}`,
    ),
  ];
  return {
    states,
    reasons,
    hasHive: internal !== undefined,
    hasRedshift: loads.reason === undefined,
    loadsMark: markOf(loads.byPartition),
  };
}

/** Says whether Redshift has loaded more since. */
export async function readLoadsMark(
  redshift: GuardedEngine,
  tables: StateTables,
  limits: QueryLimits,
): Promise<string> {
  return markOf((await readLoads(redshift, tables, limits)).byPartition);
}

function markOf(loads: ReadonlyMap<number, Load>): string {
  const ends = [...loads].map(([partition, { end }]) => `${partition}:${end}`);
  return ends.sort().join(" ");
}

async function readLoads(
  redshift: GuardedEngine,
  { redshiftRanges, targetTopic }: StateTables,
  limits: QueryLimits,
): Promise<{ byPartition: ReadonlyMap<number, Load>; reason?: string }> {
  const byPartition = new Map<number, Load>();
  // In order, so that ranges which follow one another are seen as one.
  const sql = `SELECT "kafka_partition", "kafka_topic_id", "first_offset", "end_offset", "dead_letters" FROM ${redshiftRanges} WHERE "kafka_topic" = :topic ORDER BY "kafka_partition", "first_offset"`;
  const parameters = [{ name: "topic", value: targetTopic }];
  const topicIds = new Set<string>();
  try {
    for await (const result of redshift.query({ sql, parameters }, limits)) {
      for (const [partition, id, first, end, dead] of await collectRows(result, RANGES_MAX)) {
        topicIds.add(String(id));
        const at = Number(integerOf(partition));
        const before = byPartition.get(at) ?? { end: 0n, deadLetters: 0n };
        // Behind a hole nothing counts: everything below the end has to be there.
        if (integerOf(first) > before.end) continue;
        const deadLetters = before.deadLetters + integerOf(dead);
        byPartition.set(at, { end: integerOf(end), deadLetters });
      }
    }
  } catch (error) {
    limits.signal.throwIfAborted();
    // A statement that will never run: the loader has not made its tables, or has other ones.
    if (retryOf(error) !== "never") throw error;
    const reason = `Redshift does not say what it has loaded (has warehouse-external ever run?): ${describeError(error)}`;
    return { byPartition, reason };
  }
  if (topicIds.size <= 1) return { byPartition };
  const reason = `Redshift has loaded ${topicIds.size} topics of the name ${targetTopic}, one after the other: offsets do not tell which is meant`;
  return { byPartition: new Map(), reason };
}

/** Kafka clusters are advised to have far fewer partitions, and each has a few ranges. */
const RANGES_MAX = 400_000;

/**
 * Partitions of which a side claims more than the source holds now: then the source is another log
 * than the one that was landed, or has lost its end, and offsets mean nothing.
 */
export async function findShortened(
  sources: ReconcileSources,
  topic: string,
  states: readonly PartitionState[],
  signal: AbortSignal,
): Promise<string[]> {
  const claims = states.flatMap(({ partition, source, internalEnd, runs }) => {
    const carried = runs.map(({ sourceOffset, count }) => sourceOffset + count);
    const end = [internalEnd, ...carried].reduce((a, b) => (a > b ? a : b));
    return source !== undefined && end > source.highWatermark ? [{ partition, end }] : [];
  });
  if (claims.length === 0) return [];
  // What came since the snapshot explains it, as a rule.
  const { log } = await readSource(sources.source, topic, signal);
  return claims.flatMap(({ partition, end }) => {
    const held = log?.partitions.get(partition)?.highWatermark;
    if (held !== undefined && end <= held) return [];
    return [
      `partition ${partition}: offset ${end - 1n} was landed or mirrored, and the source ends at ${held ?? "an unknown offset"}; was the topic made anew, or has it lost records?`,
    ];
  });
}

import {
  compareSides,
  planReconciliation,
  prepareSql,
  type PartitionState,
  type PositionRun,
  type RangeSum,
  type Reconciliation,
  type ReconcileTables,
} from "@hybridge/query";
import type { GuardedEngine, QueryLimits } from "./engine.ts";
import { NothingMirroredError } from "./errors.ts";
import { collectRows, integerOf } from "./rows.ts";

/** Where the parts of a comparison come from. */
export interface ReconcileSources {
  readonly hive: GuardedEngine;
  readonly redshift: GuardedEngine;
  /** The mirror's runs of a source topic, by partition. */
  positions(
    topic: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, readonly PositionRun[]>>;
  /** Says up to which source offset partitions are visible in Hive; made anew for each comparison. */
  internalEnds(): EndReader;
  /** Says up to which target offset partitions are loaded into Redshift. */
  externalEnds(): EndReader;
}

/** What of a landing's Catalog is needed here. */
export interface EndReader {
  position(
    partition: { readonly topic: string; readonly partition: number },
    signal: AbortSignal,
  ): Promise<bigint | undefined>;
}

export interface ReconcileInput {
  readonly tables: ReconcileTables;
  readonly rangeSize: bigint;
  readonly limits: QueryLimits;
}

/** More rows than this a plan's statement cannot answer: ranges and two special ones a partition. */
const ANSWER_ROWS_MAX = 200_000;

/**
 * Compares both sides. The ends are read before the rows: what becomes visible meanwhile lies
 * beyond them and is counted as pending.
 *
 * @throws NothingMirroredError when the mirror has written nothing down yet
 */
export async function reconcile(
  sources: ReconcileSources,
  { tables, rangeSize, limits }: ReconcileInput,
): Promise<Reconciliation> {
  const { signal } = limits;
  const states = await partitionStates(sources, tables, signal);
  const hasDeletions = (await countDeletions(sources.redshift, tables, limits)) > 0n;
  const plan = planReconciliation(states, tables, rangeSize, hasDeletions);
  const both = await Promise.all([
    sumsOf(sources.hive, plan.hive, limits),
    sumsOf(sources.redshift, plan.redshift, limits),
  ]);
  return compareSides(plan, ...both);
}

async function partitionStates(
  sources: ReconcileSources,
  { sourceTopic, targetTopic }: ReconcileTables,
  signal: AbortSignal,
): Promise<PartitionState[]> {
  // Positions are read last: they may only lag behind what Redshift holds, and then rows count as pending.
  const partitions = [...(await sources.positions(sourceTopic, signal)).keys()];
  if (partitions.length === 0) {
    throw new NothingMirroredError(
      `the mirror has written down no positions of the topic ${sourceTopic}; is it the topic's name, and is the mirror running?`,
    );
  }
  const internal = sources.internalEnds();
  const external = sources.externalEnds();
  const ends: Pick<PartitionState, "partition" | "internalEnd" | "externalEnd">[] = [];
  for (const partition of partitions) {
    const inSource = { topic: sourceTopic, partition };
    const inTarget = { topic: targetTopic, partition };
    ends.push({
      partition,
      internalEnd: (await internal.position(inSource, signal)) ?? 0n,
      externalEnd: (await external.position(inTarget, signal)) ?? 0n,
    });
  }
  const runs = await sources.positions(sourceTopic, signal);
  return ends.map((end) => ({ ...end, runs: runs.get(end.partition) ?? [] }));
}

async function countDeletions(
  redshift: GuardedEngine,
  { redshiftDeletions, targetTopic }: ReconcileTables,
  limits: QueryLimits,
): Promise<bigint> {
  const { sql, parameters } = await prepareSql(
    "redshift",
    `SELECT COUNT(*) FROM ${redshiftDeletions} WHERE kafka_topic = :topic`,
    new Map([["topic", targetTopic]]),
  );
  let count = 0n;
  for await (const result of redshift.query({ sql, parameters }, limits)) {
    const [row] = await collectRows(result, 1);
    count = integerOf(row?.[0]);
  }
  return count;
}

async function sumsOf(
  engine: GuardedEngine,
  statements: readonly string[],
  limits: QueryLimits,
): Promise<RangeSum[]> {
  const sums: RangeSum[] = [];
  for (const sql of statements) {
    for await (const result of engine.query({ sql, parameters: [] }, limits)) {
      for (const [partition, range, rows, checksum] of await collectRows(result, ANSWER_ROWS_MAX)) {
        sums.push({
          partition: Number(integerOf(partition)),
          range: integerOf(range),
          rows: integerOf(rows),
          checksum: integerOf(checksum),
        });
      }
    }
  }
  return sums;
}

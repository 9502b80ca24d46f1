import { describeError } from "@hybridge/core";
import type { CountedRange } from "@hybridge/kafka";
import {
  aheadDeletionsMax,
  aheadDeletionStatements,
  compareSides,
  hiveDeletedStatement,
  lackRangesOf,
  noLack,
  planReconciliation,
  redshiftDeletedStatements,
  reportOf,
  type AheadDeletion,
  type Answers,
  type Lack,
  type Lacks,
  type PartitionState,
  type RangeSum,
  type ReconcilePlan,
  type Reconciliation,
  type ReconcileTables,
} from "@hybridge/query";
import type { GuardedEngine, QueryLimits } from "./engine.ts";
import { UnexpectedResultError } from "./errors.ts";
import {
  atMost,
  findShortened,
  gatherStates,
  readLoadsMark,
  readSource,
  readTargetTopic,
  type Gathered,
  type ReconcileSources,
  type SourceSnapshot,
} from "./reconcile-states.ts";
import { collectRows, integerOf, type Cell } from "./rows.ts";

export interface ReconcileInput {
  /** Without the target's topic, which the mirror knows. */
  readonly tables: Omit<Tables, "targetTopic">;
  readonly rangeSize: bigint;
  /** Rows of an earlier event_time are not compared; undefined: all are. */
  readonly sinceMs: number | undefined;
  readonly limits: QueryLimits;
}

type Tables = ReconcileTables & { readonly redshiftRanges: string };

/** More rows than this a plan's statement cannot answer: ranges and five special ones a partition. */
const ANSWER_ROWS_MAX = 1_000_000;
/** Redshift may load deletions while it is compared; so often it is compared anew. */
const TRIES_MAX = 3;

/**
 * Compares both sides with each other and with what the source held when it began. Ends are read
 * before rows: what becomes visible meanwhile lies beyond them, and is counted and not compared.
 *
 * @throws NothingMirroredError when neither the source nor the mirror know of the topic
 */
export async function reconcile(
  sources: ReconcileSources,
  { tables: given, ...rest }: ReconcileInput,
): Promise<{ readonly result: Reconciliation; readonly takenAtMs: number }> {
  const { signal } = rest.limits;
  const source = await readSource(sources.source, given.sourceTopic, signal);
  const targetTopic = await readTargetTopic(sources, given.sourceTopic, signal);
  const tables = { ...given, targetTopic };
  const input = { ...rest, tables };
  let round = await compareOnce(sources, input, source);
  for (let tries = 1; round.isUnsettled && tries < TRIES_MAX; tries++) {
    round = await compareOnce(sources, input, source);
  }
  const { plan, gathered, answers } = round;
  const uncertain = round.isUnsettled
    ? `Redshift loaded deletions each of the ${TRIES_MAX} times that it was compared, which makes differences that are none`
    : round.uncertain;
  const shortened = await findShortened(sources, tables.sourceTopic, gathered.states, signal);
  const lacking = await readLacks(sources, tables.sourceTopic, plan, gathered.states, signal);
  const result = reportOf({
    plan,
    states: gathered.states,
    comparison: compareSides(plan, answers),
    lacks: lacking.lacks,
    uncertain,
    reasons: [...source.reasons, ...gathered.reasons, ...shortened, ...lacking.reasons],
  });
  return { result, takenAtMs: source.takenAtMs };
}

interface Round {
  readonly plan: ReconcilePlan;
  readonly gathered: Gathered;
  readonly answers: Answers;
  /** Redshift has loaded meanwhile, and its deletions may make differences that are none. */
  readonly isUnsettled: boolean;
  /** Why differences cannot be trusted. */
  readonly uncertain: string | undefined;
}

async function compareOnce(
  sources: ReconcileSources,
  { tables, rangeSize, sinceMs, limits }: ReconcileInput & { readonly tables: Tables },
  source: SourceSnapshot,
): Promise<Round> {
  const gathered = await gatherStates(sources, tables, source, limits);
  const plan = planReconciliation(gathered.states, tables, { rangeSize, sinceMs });
  const { hive, redshift } = sources;
  const [internal, external] = await Promise.all([
    gathered.hasHive ? sumsOf(hive, plan.hive, limits) : [],
    gathered.hasRedshift ? sumsOf(redshift, plan.redshift, limits) : [],
  ]);
  const settled = { plan, gathered, isUnsettled: false, uncertain: undefined };
  const hasDeletions =
    gathered.hasRedshift &&
    gathered.hasHive &&
    (await countDeletions(redshift, tables, limits)) > 0n;
  if (!hasDeletions)
    return { ...settled, answers: { internal, deleted: [], external, retracted: [] } };
  const ahead = await readAheadDeletions(redshift, plan, limits);
  const statement = hiveDeletedStatement(plan, ahead.slice(0, aheadDeletionsMax));
  const readRetracted = () => sumsOf(redshift, redshiftDeletedStatements(plan), limits);
  const [deleted, retracted] = await Promise.all([
    sumsOf(hive, [statement], limits),
    readRetracted(),
  ]);
  const answers = { internal, deleted, external, retracted };
  const isEqual = compareSides(plan, answers).differences.length === 0;
  const hasChanged =
    !isEqual &&
    ((await readLoadsMark(redshift, tables, limits)) !== gathered.loadsMark ||
      // The loader's sweep has removed what was taken off.
      textOfSums(await readRetracted()) !== textOfSums(retracted));
  return { ...settled, answers, isUnsettled: hasChanged, uncertain: aheadReason(ahead) };
}

function textOfSums(sums: readonly RangeSum[]): string {
  return sums
    .map(({ partition, range, rows, checksum }) => [partition, range, rows, checksum].join(" "))
    .sort()
    .join();
}

function aheadReason(ahead: readonly AheadDeletion[]): string | undefined {
  if (ahead.length <= aheadDeletionsMax) return undefined;
  return `Redshift has applied more than ${aheadDeletionsMax} deletions that Hive does not show yet: what they removed cannot be told from what is missing`;
}

async function countDeletions(
  redshift: GuardedEngine,
  { redshiftDeletions, targetTopic }: ReconcileTables,
  limits: QueryLimits,
): Promise<bigint> {
  const sql = `SELECT COUNT(*) FROM ${redshiftDeletions} WHERE "kafka_topic" = :topic`;
  const parameters = [{ name: "topic", value: targetTopic }];
  let count = 0n;
  for await (const result of redshift.query({ sql, parameters }, limits)) {
    const [row] = await collectRows(result, 1);
    count = integerOf(row?.[0]);
  }
  return count;
}

async function readAheadDeletions(
  redshift: GuardedEngine,
  plan: ReconcilePlan,
  limits: QueryLimits,
): Promise<AheadDeletion[]> {
  const ahead: AheadDeletion[] = [];
  for (const sql of aheadDeletionStatements(plan, aheadDeletionsMax + 1)) {
    for await (const result of redshift.query({ sql, parameters: [] }, limits)) {
      for (const [id, partition, timestamp] of await collectRows(result, aheadDeletionsMax + 1)) {
        ahead.push({
          idMd5: textOf(id, /^[0-9a-f]{32}$/),
          partition: Number(integerOf(partition)),
          timestamp: textOf(timestamp, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/),
        });
      }
    }
    if (ahead.length > aheadDeletionsMax) break;
  }
  return ahead;
}

/** Text that goes into the other engine's statement: it has to be what it should be. */
function textOf(cell: Cell | undefined, form: RegExp): string {
  if (typeof cell === "string" && form.test(cell)) return cell;
  throw new UnexpectedResultError(`Redshift answered ${JSON.stringify(String(cell))} for ${form}`);
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

/** What the source holds behind each side's end; at most that many when it does not say. */
async function readLacks(
  { source }: ReconcileSources,
  topic: string,
  plan: ReconcilePlan,
  states: readonly PartitionState[],
  signal: AbortSignal,
): Promise<{ lacks: ReadonlyMap<number, Lacks>; reasons: string[] }> {
  const wanted = lackRangesOf(plan, states);
  const ranges = wanted.flatMap(({ partition, internal, external, unmirrored }) =>
    [internal, external, unmirrored].map((range) => ({ partition, ...range })),
  );
  const open = ranges.filter(({ from, to }) => to > from);
  let counted: readonly CountedRange[] = [];
  const reasons: string[] = [];
  try {
    if (open.length > 0 && source) counted = await source.count(topic, open, atMost(signal));
  } catch (error) {
    signal.throwIfAborted();
    reasons.push(`what is lacking was not counted: ${describeError(error)}`);
  }
  const found = new Map(open.map((range, index) => [range, counted[index]]));
  const lackOf = (index: number): Lack => {
    const range = ranges[index];
    if (range === undefined || range.to <= range.from) return noLack;
    const count = found.get(range);
    if (count === undefined) {
      return { records: range.to - range.from, isExact: false, sinceMs: undefined };
    }
    return { records: count.records, isExact: count.isExact, sinceMs: count.firstTimestampMs };
  };
  const lacks = wanted.map(({ partition }, index) => {
    const [internal, external, unmirrored] = [0, 1, 2].map((part) => lackOf(index * 3 + part));
    return [
      partition,
      {
        internal: internal ?? noLack,
        external: external ?? noLack,
        unmirrored: unmirrored ?? noLack,
      },
    ] as const;
  });
  return { lacks: new Map(lacks), reasons };
}

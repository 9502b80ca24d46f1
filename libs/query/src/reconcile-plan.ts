import { SqlParameterError } from "./errors.ts";
import { compareOffsets, joinRuns, sourceEndOf, type PositionRun } from "./position-runs.ts";

/** What is known of one partition before its rows are compared. */
export interface PartitionState {
  readonly partition: number;
  /** Where the mirror put the source's records. */
  readonly runs: readonly PositionRun[];
  /** Every source offset below it is visible in Hive. */
  readonly internalEnd: bigint;
  /** Every target offset below it is visible in Redshift. */
  readonly externalEnd: bigint;
}

export interface ReconcileTables {
  /** As SQL names it; quoted where it must be. */
  readonly hive: string;
  readonly redshift: string;
  /** Redshift's table of deletions: their records stand there, and not among the posts. */
  readonly redshiftDeletions: string;
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** One partition as it is compared. */
export interface ComparedPartition {
  readonly partition: number;
  readonly runs: readonly PositionRun[];
  /** Source offsets below it are complete on both sides; the rest is pending. */
  readonly end: bigint;
}

export interface ReconcilePlan {
  readonly partitions: readonly ComparedPartition[];
  readonly rangeSize: bigint;
  /** Ranges of source offsets that are compared, over all partitions. */
  readonly ranges: number;
  /**
   * Statements of each side. Their rows are (partition, first offset of the range, rows, checksum),
   * with `pendingRange` and `strangeRange` in place of an offset; rows of one range from several
   * statements add up.
   */
  readonly hive: readonly string[];
  readonly redshift: readonly string[];
}

/** In place of a range: rows that the other side need not hold yet. */
export const pendingRange = -1n;
/** In place of a range: rows at target offsets where the mirror put nothing. */
export const strangeRange = -2n;

const RANGES_MAX = 100_000;

/** Each takes about 80 characters of SQL; the Data API takes 100,000 bytes. */
const RUNS_PER_STATEMENT = 800;

/**
 * Plans the comparison of the two sides by ranges of source offsets.
 *
 * The checksum of a range is the sum of the low 60 bits of md5(source offset ":" raw_md5) over its
 * rows: independent of order, different when two rows have changed places, and cheap in both
 * dialects (the method of data-diff). Rows of the external side are brought to source offsets by
 * the mirror's runs.
 *
 * @param hasDeletions whether Redshift has removed posts because their authors did; costs a join
 */
export function planReconciliation(
  states: readonly PartitionState[],
  tables: ReconcileTables,
  rangeSize: bigint,
  hasDeletions: boolean,
): ReconcilePlan {
  const partitions = states
    .map(({ partition, runs, internalEnd, externalEnd }) => {
      const joined = joinRuns(runs);
      const mirrored = sourceEndOf(joined, externalEnd);
      return { partition, runs: joined, end: internalEnd < mirrored ? internalEnd : mirrored };
    })
    .sort((a, b) => a.partition - b.partition);
  const ranges = partitions.reduce(
    (sum, { runs, end }) => sum + rangesOf(runs, end, rangeSize),
    0n,
  );
  if (ranges > RANGES_MAX) {
    throw new SqlParameterError(
      `range_size ${rangeSize} makes ${ranges} ranges, of which at most ${RANGES_MAX} are compared at once; choose a larger one`,
    );
  }
  return {
    partitions,
    rangeSize,
    ranges: Number(ranges),
    hive: [hiveStatement(partitions, tables, rangeSize, hasDeletions)],
    redshift: redshiftStatements(partitions, tables, rangeSize),
  };
}

function rangesOf(runs: readonly PositionRun[], end: bigint, size: bigint): bigint {
  const first = runs[0]?.sourceOffset ?? 0n;
  return end <= first ? 0n : (end - 1n) / size - first / size + 1n;
}

function hiveStatement(
  partitions: readonly ComparedPartition[],
  tables: ReconcileTables,
  size: bigint,
  hasDeletions: boolean,
): string {
  const ends = partitions.map(({ partition, end }) => `WHEN ${partition} THEN ${end}`);
  const end = ends.length === 0 ? "0" : `CASE kafka_partition ${ends.join(" ")} ELSE 0 END`;
  const rows = hasDeletions ? undeletedRows(tables, end) : rowsOfTopic(tables);
  return `SELECT p, r, COUNT(*),
  CAST(SUM(CAST(CONV(SUBSTR(MD5(CONCAT(CAST(o AS STRING), ':', raw_md5)), 1, 15), 16, 10) AS DECIMAL(38,0))) AS STRING)
FROM (SELECT kafka_partition AS p, kafka_offset AS o, raw_md5,
  CASE WHEN kafka_offset < ${end} THEN kafka_offset - kafka_offset % ${size} ELSE ${pendingRange} END AS r
  FROM ${rows}) t
GROUP BY p, r`;
}

function rowsOfTopic({ hive, sourceTopic }: ReconcileTables): string {
  return `(SELECT kafka_partition, kafka_offset, raw_md5, id, op FROM ${hive} WHERE kafka_topic = ${topicLiteral(sourceTopic)}) rows_of_topic`;
}

/** Hive keeps deleted posts as history, Redshift does not: without those that a deletion follows. */
function undeletedRows(tables: ReconcileTables, end: string): string {
  return `(SELECT a.kafka_partition, a.kafka_offset, a.raw_md5
  FROM ${rowsOfTopic(tables).replace(/rows_of_topic$/, "a")} LEFT JOIN (
    SELECT kafka_partition AS gone_partition, id AS gone_id, MAX(kafka_offset) AS gone_offset
    FROM ${rowsOfTopic(tables)} WHERE op = 'delete' AND kafka_offset < ${end}
    GROUP BY kafka_partition, id
  ) d ON a.kafka_partition = d.gone_partition AND a.id = d.gone_id
  WHERE a.op = 'delete' OR d.gone_offset IS NULL OR a.kafka_offset > d.gone_offset) undeleted`;
}

/** Some runs of a partition, and the target offsets that their statement is about. */
interface Piece {
  readonly partition: ComparedPartition;
  readonly runs: readonly PositionRun[];
  readonly from: bigint;
  /** Undefined: to the end of the log. */
  readonly to: bigint | undefined;
}

function redshiftStatements(
  partitions: readonly ComparedPartition[],
  tables: ReconcileTables,
  size: bigint,
): string[] {
  const groups: Piece[][] = [];
  let room = 0;
  for (const piece of partitions.flatMap(piecesOf)) {
    const cost = Math.max(piece.runs.length, 1);
    if (cost > room || groups.length === 0) {
      groups.push([]);
      room = RUNS_PER_STATEMENT;
    }
    groups.at(-1)?.push(piece);
    room -= cost;
  }
  return groups.map((pieces) => redshiftStatement(pieces, tables, size));
}

function piecesOf(partition: ComparedPartition): Piece[] {
  const byTarget = [...partition.runs].sort((a, b) =>
    compareOffsets(a.targetOffset, b.targetOffset),
  );
  const pieces: Piece[] = [];
  for (let start = 0; start === 0 || start < byTarget.length; start += RUNS_PER_STATEMENT) {
    const next = byTarget[start + RUNS_PER_STATEMENT];
    pieces.push({
      partition,
      runs: byTarget.slice(start, start + RUNS_PER_STATEMENT),
      from: start === 0 ? 0n : (byTarget[start]?.targetOffset ?? 0n),
      to: next?.targetOffset,
    });
  }
  return pieces;
}

function redshiftStatement(
  pieces: readonly Piece[],
  tables: ReconcileTables,
  size: bigint,
): string {
  const offsets = pieces.map((piece) => `WHEN ${conditionOf(piece)} THEN ${sourceOffsetOf(piece)}`);
  const ends = new Map(pieces.map(({ partition: { partition, end } }) => [partition, end]));
  const end = [...ends].map(([partition, value]) => `WHEN ${partition} THEN ${value}`).join(" ");
  const from = [tables.redshift, tables.redshiftDeletions]
    .map((table) => `SELECT kafka_topic, kafka_partition, kafka_offset, raw_md5 FROM ${table}`)
    .join(" UNION ALL ");
  return `SELECT p, r, COUNT(*),
  CAST(COALESCE(SUM(STRTOL(SUBSTRING(MD5(CAST(o AS VARCHAR(20)) || ':' || raw_md5), 1, 15), 16)), 0) AS VARCHAR(40))
FROM (SELECT p, o, raw_md5,
  CASE WHEN o IS NULL THEN ${strangeRange} WHEN o < CASE p ${end} ELSE 0 END AND o >= 0 THEN o - o % ${size} ELSE ${pendingRange} END AS r
  FROM (SELECT kafka_partition AS p, raw_md5, CASE ${offsets.join("\n  ")} END AS o
    FROM (${from}) both_tables WHERE kafka_topic = ${topicLiteral(tables.targetTopic)} AND (${pieces.map(conditionOf).join(" OR ")})) a) b
GROUP BY p, r`;
}

function conditionOf({ partition: { partition }, from, to }: Piece): string {
  const upper = to === undefined ? "" : ` AND kafka_offset < ${to}`;
  return `(kafka_partition = ${partition} AND kafka_offset >= ${from}${upper})`;
}

/**
 * SQL for the source offset of a row: NULL where the mirror put nothing, -1 beyond the last run,
 * where it may have put what it has not written down yet.
 */
function sourceOffsetOf({ runs, to }: Piece): string {
  const cases = runs.map(({ sourceOffset, targetOffset, count }) => {
    const shift = sourceOffset - targetOffset;
    const sum = shift < 0n ? `kafka_offset - ${-shift}` : `kafka_offset + ${shift}`;
    return `WHEN kafka_offset >= ${targetOffset} AND kafka_offset < ${targetOffset + count} THEN ${sum}`;
  });
  const last = runs.at(-1);
  const recorded = last === undefined ? 0n : last.targetOffset + last.count;
  if (to === undefined) cases.push(`WHEN kafka_offset >= ${recorded} THEN -1`);
  return `CASE ${cases.join("\n  ")} ELSE NULL END`;
}

/** Names of topics have letters, digits, dot, underscore and hyphen (Kafka's Topic.validate). */
function topicLiteral(topic: string): string {
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic)) {
    throw new SqlParameterError(`${JSON.stringify(topic)} is not the name of a Kafka topic`);
  }
  return `'${topic}'`;
}

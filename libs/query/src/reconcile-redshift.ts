import { ACCOUNT, timeOf } from "./deletions.ts";
import { compareOffsets } from "./position-runs.ts";
import { deletionText, digestOf, postText, quoteName, timestampText } from "./reconcile-digest.ts";
import { placeless, type ComparedPartition, type Selection } from "./reconcile-selection.ts";

/**
 * The Data API takes 100,000 bytes (AWS: "Considerations when calling the Data API"); the engine's
 * trace comment and a margin are left.
 */
export const redshiftBytesMax = 90_000;

const q = (name: string) => quoteName("redshift", name);

/** Target offsets of one partition that have one meaning, up to the next piece. */
interface Piece {
  readonly partition: number;
  /** First target offset; the piece ends where the next begins. */
  readonly from: bigint;
  /** SQL for the source offset of the row at `o`, or one of `placeless`. */
  readonly value: string;
}

/**
 * Redshift's rows by partition and range: their target offsets are brought to source offsets by a
 * tree of CASEs, which decides in as many comparisons as the number of pieces has bits. A statement
 * takes as many pieces as its bytes allow and looks at the rows from its first piece up to the
 * first of the next statement; together they look at every row of the topic once.
 */
export function redshiftStatements(selection: Selection): string[] {
  const { redshift, redshiftDeletions } = selection.tables;
  const from = [
    rowsOf(selection, redshift, postText("redshift")),
    rowsOf(selection, redshiftDeletions, deletionText("redshift")),
  ].join("\nUNION ALL ");
  return sumStatements(selection, from);
}

/** Sums rows of (p, o, t): partition, target offset and text. */
function sumStatements(selection: Selection, from: string): string[] {
  const statementOf = (
    source: string,
  ) => `SELECT "p", "r", COUNT(*), CAST(SUM(CAST("h" AS DECIMAL(38,0))) AS VARCHAR(40)) FROM (
SELECT "p", CASE WHEN "s" < 0 THEN "s" ELSE "s" - MOD("s", ${selection.rangeSize}) END AS "r", ${digestOf("redshift", '"s"', '"t"')} AS "h"
FROM (${source}) AS "placed") AS "digested"
GROUP BY "p", "r"`;
  return statementsOf(
    selection,
    `SELECT "p", "o", "t" FROM (${from}) AS "both_tables"`,
    '"p", "t"',
    statementOf,
  );
}

/**
 * The posts among those rows that a deletion follows which is loaded: those that are older than a
 * week go with the loader's daily sweep. Their counts and checksums are to be taken off Redshift's.
 */
export function redshiftDeletedStatements(selection: Selection): string[] {
  const { redshift, redshiftDeletions, targetTopic } = selection.tables;
  const d = (name: string) => q(`deleting_${name}`);
  const deletions = `(SELECT ${q("id")} AS ${d("id")}, ${q("kafka_topic_id")} AS ${d("topic")}, ${q("kafka_partition")} AS ${d("partition")}, ${q("kafka_offset")} AS ${d("offset")}, ${timeOf("redshift")} AS ${d("time")}
FROM ${redshiftDeletions} WHERE ${q("kafka_topic")} = '${targetTopic}') AS "deleting"`;
  const follows = `CASE WHEN ${q("kafka_topic_id")} = ${d("topic")} AND ${q("kafka_partition")} = ${d("partition")} THEN ${q("kafka_offset")} < ${d("offset")} ELSE ${timeOf("redshift")} <= ${d("time")} END`;
  const matches = [
    `${q("id")} = ${d("id")}`,
    `${q("author_id")} = SUBSTRING(${d("id")}, ${ACCOUNT.length + 1}) AND ${d("id")} LIKE '${ACCOUNT}%'`,
  ];
  const from = matches.map((match) =>
    rowsOf(
      selection,
      `${redshift} JOIN ${deletions} ON ${match} AND ${follows}`,
      postText("redshift"),
    ),
  );
  return sumStatements(selection, from.join("\nUNION "));
}

/** Where a deletion follows every compared row of its partition. */
const BEYOND = [placeless.pending, placeless.unplaced, placeless.younger];

/** Deletions that Redshift has applied behind what is compared: (MD5 of the id, partition, timestamp). */
export function aheadDeletionStatements(selection: Selection, most: number): string[] {
  const { redshiftDeletions, targetTopic } = selection.tables;
  const from = `SELECT ${q("kafka_partition")} AS "p", ${q("kafka_offset")} AS "o", MD5(${q("id")}) AS "m", TO_CHAR(${timeOf("redshift")}, 'YYYY-MM-DD HH24:MI:SS.MS') AS "w"
FROM ${redshiftDeletions} WHERE ${q("kafka_topic")} = '${targetTopic}'`;
  return statementsOf(
    selection,
    `SELECT "p", "o", "m", "w" FROM (${from}) AS "gone"`,
    '"p", "m", "w"',
    (source) => {
      return `SELECT "m", "p", "w" FROM (${source}) AS "placed" WHERE "s" IN (${BEYOND.join(", ")}) ORDER BY "p" LIMIT ${most}`;
    },
  );
}

function rowsOf({ tables, sinceMs }: Selection, table: string, text: string): string {
  const since =
    sinceMs === undefined
      ? ""
      : ` AND ${q("event_time")} >= CAST('${timestampText(sinceMs)}' AS TIMESTAMP)`;
  return `SELECT ${q("kafka_partition")} AS "p", ${q("kafka_offset")} AS "o", ${text} AS "t"
FROM ${table} WHERE ${q("kafka_topic")} = '${tables.targetTopic}'${since}`;
}

/** Statements around `SELECT kept, source offset AS s FROM rows`, each of bounded size. */
function statementsOf(
  selection: Selection,
  rows: string,
  kept: string,
  statementOf: (source: string) => string,
): string[] {
  const around =
    statementOf(`SELECT ${kept},  AS "s"\nFROM (${rows}) AS "every_row" WHERE `).length + 200;
  const chunks = chunksOf(selection.partitions.flatMap(piecesOf), redshiftBytesMax - around);
  return chunks.map((pieces, index) => {
    const [first, next] = [index === 0 ? undefined : pieces[0], chunks[index + 1]?.[0]];
    const bounds = [
      ...(first === undefined ? [] : [`NOT ${isBefore(first)}`]),
      ...(next === undefined ? [] : [isBefore(next)]),
    ];
    const where = bounds.length === 0 ? "" : ` WHERE ${bounds.join(" AND ")}`;
    return statementOf(
      `SELECT ${kept}, ${treeOf(pieces)} AS "s"\nFROM (${rows}) AS "every_row"${where}`,
    );
  });
}

/** Pieces in groups whose trees have at most `bytes` bytes; at least one group. */
function chunksOf(pieces: readonly Piece[], bytes: number): Piece[][] {
  const chunks: Piece[][] = [[]];
  let room = bytes;
  for (const piece of pieces) {
    const cost = BRANCH_BYTES + isBefore(piece).length + leafOf(piece).length;
    if (cost > room) {
      chunks.push([]);
      room = bytes;
    }
    chunks.at(-1)?.push(piece);
    room -= cost;
  }
  return chunks;
}

/** `CASE WHEN  THEN  ELSE  END` around what a piece costs. */
const BRANCH_BYTES = 28;

/** The pieces of a partition, from its first offset to beyond its last. */
function piecesOf(each: ComparedPartition): Piece[] {
  const { partition } = each;
  const pieces: Piece[] = [];
  const runs = [...each.runs].sort((a, b) => compareOffsets(a.targetOffset, b.targetOffset));
  const add = (from: bigint, value: string | bigint) => {
    if (pieces.at(-1)?.from === from) pieces.pop();
    pieces.push({ partition, from, value: String(value) });
  };
  add(0n, placeless.forgotten);
  for (const { sourceOffset, targetOffset, count } of runs) {
    const shift = sourceOffset - targetOffset;
    const end = sourceOffset + count;
    const cuts = [sourceOffset, each.end, each.sourceEnd].filter(
      (cut) => cut >= sourceOffset && cut < end,
    );
    for (const cut of [...new Set(cuts)].sort(compareOffsets)) {
      add(cut - shift, meaningOf(each, cut, shift));
    }
    add(targetOffset + count, placeless.strange);
  }
  const last = runs.at(-1);
  if (last) add(last.targetOffset + last.count, placeless.unplaced);
  return pieces;
}

function meaningOf({ end, sourceEnd }: ComparedPartition, offset: bigint, shift: bigint): string {
  if (offset >= end) return String(offset < sourceEnd ? placeless.pending : placeless.younger);
  return shift < 0n ? `"o" - ${-shift}` : shift === 0n ? '"o"' : `"o" + ${shift}`;
}

/** A balanced decision over pieces, which lie in the order of partition and offset. */
function treeOf(pieces: readonly Piece[]): string {
  const [only] = pieces;
  if (only === undefined) return String(placeless.strange);
  if (pieces.length === 1) return leafOf(only);
  const middle = pieces.length >> 1;
  const [left, right] = [pieces.slice(0, middle), pieces.slice(middle)];
  const [border] = right;
  return `CASE WHEN ${border && isBefore(border)} THEN ${treeOf(left)} ELSE ${treeOf(right)} END`;
}

/** Rows of a partition that has no piece are strange. */
function leafOf({ partition, value }: Piece): string {
  return `CASE WHEN "p" = ${partition} THEN ${value} ELSE ${placeless.strange} END`;
}

/** Whether a row stands before a piece, in the order of partition and offset. */
function isBefore({ partition, from }: Piece): string {
  return from === 0n
    ? `("p" < ${partition})`
    : `("p" < ${partition} OR "p" = ${partition} AND "o" < ${from})`;
}

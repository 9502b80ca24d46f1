import { ACCOUNT, timeOf } from "./deletions.ts";
import { digestOf, hiveRowText, quoteName, timestampText } from "./reconcile-digest.ts";
import {
  offsetMax,
  placeless,
  type ComparedPartition,
  type Selection,
} from "./reconcile-selection.ts";

/** A deletion behind what is compared, which Redshift has applied and Hive need not show yet. */
export interface AheadDeletion {
  /** MD5 of the deleted post's id, 32 hex digits. */
  readonly idMd5: string;
  readonly partition: number;
  /** As timestampText writes it. */
  readonly timestamp: string;
}

/** How many deletions ahead one statement takes: some 70 bytes each. */
export const aheadDeletionsMax = 10_000;

const q = (name: string) => quoteName("hive", name);

/**
 * Hive's rows by partition and range.
 *
 * Where a partition is compared stands in one string that the statement splits into a table: any
 * number of partitions is one join with one literal. Nested CASEs, arrays or long lists would meet
 * the depth of Hive's parser; 10,000 partitions so written are compiled in a moment.
 */
export function hiveStatements(selection: Selection): string[] {
  const { hive, sourceTopic } = selection.tables;
  const size = selection.rangeSize;
  const range = `CASE WHEN bounds.bp IS NULL THEN ${placeless.strange}
  WHEN t.${q("kafka_offset")} < bounds.b THEN ${placeless.forgotten}
  WHEN t.${q("kafka_offset")} < bounds.e THEN ${rangeOf("t", size)}
  WHEN t.${q("kafka_offset")} < bounds.s THEN ${placeless.pending} ELSE ${placeless.younger} END`;
  return [
    `SELECT p, r, COUNT(*), CAST(SUM(h) AS STRING) FROM (
SELECT t.${q("kafka_partition")} AS p, ${range} AS r, ${digestOf("hive", q("kafka_offset"), hiveRowText())} AS h
FROM ${hive} t LEFT JOIN ${boundsOf(selection.partitions)} ON t.${q("kafka_partition")} = bounds.bp
WHERE t.${q("kafka_topic")} = '${sourceTopic}'${since(selection)}) rows_of_topic
GROUP BY p, r`,
  ];
}

/**
 * The posts among those rows that a deletion follows: Redshift has removed them, Hive keeps them
 * as history. Their counts and checksums are to be taken off Hive's.
 *
 * A deletion has the id of its post, or `account:` and the id of an author whose posts all go, so
 * that a post is looked for by either. It follows the post when it stands behind it in the same
 * partition of the same topic, or elsewhere with no earlier time: offsets of two partitions, or of
 * two lives of a topic, have no order. What was landed before the log has no topic id and goes by
 * time. Those deletions count that both sides hold, and those that Redshift holds already.
 */
export function hiveDeletedStatement(
  selection: Selection,
  ahead: readonly AheadDeletion[],
): string {
  const { hive, sourceTopic } = selection.tables;
  const bounds = boundsOf(selection.partitions);
  const topic = `${q("kafka_topic")} = '${sourceTopic}'`;
  const further = ahead.length === 0 ? "" : ` UNION ALL ${listOf(ahead)}`;
  const keys = `ARRAY(MD5(${q("id")}), MD5(CONCAT('${ACCOUNT}', ${q("author_id")})))`;
  return `SELECT p, r, COUNT(*), CAST(SUM(h) AS STRING) FROM (
SELECT DISTINCT t.${q("kafka_partition")} AS p, t.${q("kafka_offset")} AS o, ${rangeOf("t", selection.rangeSize)} AS r, t.h
FROM (SELECT ${q("kafka_partition")}, ${q("kafka_offset")}, ${q("kafka_topic_id")} AS tid, ts, h, k AS id_md5 FROM (
  SELECT ${q("kafka_partition")}, ${q("kafka_offset")}, ${q("kafka_topic_id")}, ${timeOf("hive")} AS ts, ${keys} AS ks, ${digestOf("hive", q("kafka_offset"), hiveRowText())} AS h
  FROM ${hive} t WHERE ${topic} AND ${q("op")} <> 'delete'${since(selection)}) keyed LATERAL VIEW EXPLODE(ks) exploded AS k) t
JOIN ${bounds} ON t.${q("kafka_partition")} = bounds.bp
JOIN (SELECT MD5(${q("id")}) AS id_md5, ${q("kafka_partition")} AS dp, ${q("kafka_offset")} AS o, ${timeOf("hive")} AS ts, ${q("kafka_topic_id")} AS tid
  FROM ${hive} deleting JOIN ${bounds} ON deleting.${q("kafka_partition")} = bounds.bp
  WHERE ${topic} AND ${q("op")} = 'delete' AND ${q("kafka_offset")} < bounds.e${further}) d ON t.id_md5 = d.id_md5
WHERE t.${q("kafka_offset")} >= bounds.b AND t.${q("kafka_offset")} < bounds.e
  AND CASE WHEN t.${q("kafka_partition")} = d.dp AND (t.tid = d.tid OR d.tid = '${PRESENT}' AND t.tid IS NOT NULL) THEN t.${q("kafka_offset")} < d.o ELSE t.ts <= d.ts END) gone
GROUP BY p, r`;
}

/** Topic id of a deletion that is ahead: that of the topic as it is, whichever that may be. */
const PRESENT = "*";

/** A table of deletions as the statement's own, in the same columns, split from one string. */
function listOf(ahead: readonly AheadDeletion[]): string {
  const text = ahead.map((each) => [each.idMd5, each.partition, each.timestamp].join("/"));
  const part = (index: number, type: string) => `CAST(SPLIT(d, '/')[${index}] AS ${type})`;
  return `SELECT ${part(0, "STRING")}, ${part(1, "INT")}, ${offsetMax}, ${part(2, "TIMESTAMP")}, '${PRESENT}'
FROM (SELECT EXPLODE(SPLIT('${text.join(",")}', ',')) AS d) listed`;
}

function rangeOf(table: string, size: bigint): string {
  const offset = `${table}.${q("kafka_offset")}`;
  return `${offset} - ${offset} % ${size}`;
}

/** The table `bounds`: partition bp, compared from b to e, the source's end s. */
function boundsOf(partitions: readonly ComparedPartition[]): string {
  const text = partitions.map((each) =>
    [each.partition, each.begin, each.end, each.sourceEnd].join(":"),
  );
  const part = (index: number, type: string) => `CAST(SPLIT(x, ':')[${index}] AS ${type})`;
  // Of no partitions one is made that no topic has.
  const list = text.length === 0 ? "-1:0:0:0" : text.join(",");
  return `(SELECT ${part(0, "INT")} AS bp, ${part(1, "BIGINT")} AS b, ${part(2, "BIGINT")} AS e, ${part(3, "BIGINT")} AS s
FROM (SELECT EXPLODE(SPLIT('${list}', ',')) AS x) listed_bounds) bounds`;
}

function since({ sinceMs }: Selection): string {
  if (sinceMs === undefined) return "";
  const text = timestampText(sinceMs);
  return ` AND t.${q("dt")} >= '${text.slice(0, 10)}' AND t.${q("event_time")} >= CAST('${text}' AS TIMESTAMP)`;
}

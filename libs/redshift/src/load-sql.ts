import { InvariantError } from "@hybridge/core";
import type { Cut, LedgerEntry } from "@hybridge/landing";
import { redshiftColumnNames, redshiftColumns } from "@hybridge/tweet";
import { DELETION_COLUMNS, KEY, list, SEGMENT_COLUMNS, segmentColumns } from "./create-sql.ts";
import {
  quoteName,
  quoteText,
  redshiftTables,
  TEMPORARY_PREFIX,
  type TableNames,
} from "./names.ts";
import { setTimeoutSql } from "./time-limit.ts";

/** The last offset of a partition that the ledger has, as a load expects it to be. */
export interface ExpectedEnd {
  readonly topic: string;
  readonly partition: number;
  /** Undefined: the ledger has nothing of the partition. */
  readonly lastOffset: bigint | undefined;
}

/**
 * Bytes of the segments of one load. Its statements are then below 100 kB together, which is the
 * most that one may have, whatever the names of tables are.
 */
const SEGMENT_BYTES_MAX = 40_000;

/**
 * How long a statement of a load may run: far longer than any does, and far shorter than the day
 * after which Redshift itself would end it and free the lock, when nobody is left to cancel it.
 */
const STATEMENT_MS_MAX = 6 * 3_600_000;

/** Tables of a load, which end with it. */
const SEGMENTS = quoteName(`${TEMPORARY_PREFIX}segments`);
const STAGED = quoteName(`${TEMPORARY_PREFIX}staged`);
const POSTS = quoteName(`${TEMPORARY_PREFIX}posts`);
const GONE = quoteName(`${TEMPORARY_PREFIX}gone`);

/** Before it X had no post; a record's timestamp that is older is none (seconds, -1). */
const FIRST_POST = "2006-03-21 00:00:00";

/** The last offset that was loaded of `:topic` and `:partition`. */
export function selectPosition(of: TableNames): string {
  return `SELECT MAX("last_offset") AS "last_offset" FROM ${redshiftTables(of).loads}
WHERE "kafka_topic" = :topic AND "kafka_partition" = :partition`;
}

/** The last offsets that were loaded of `:topic`, by partition. */
export function selectPositions(of: TableNames): string {
  return `SELECT "kafka_partition", MAX("last_offset") AS "last_offset" FROM ${redshiftTables(of).loads}
WHERE "kafka_topic" = :topic GROUP BY "kafka_partition"`;
}

/**
 * Cuts segments into loads that stay below the limits of a statement and of a batch, in order. More
 * than one is rare: 256 segments of a topic with a name of usual length are a third of a load.
 */
export function splitLoads(entries: readonly LedgerEntry[]): readonly (readonly LedgerEntry[])[] {
  const loads: LedgerEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    // Each partition also stands in the statement that checks where it ends.
    const bytes = Buffer.byteLength(segmentRow(entry)) + 60;
    if (bytes > room) {
      loads.push([]);
      room = SEGMENT_BYTES_MAX;
    }
    loads.at(-1)?.push(entry);
    room -= bytes;
  }
  return loads;
}

/**
 * One load, as the statements of one transaction.
 *
 * The first statement locks a table that loads alone use, so that a load which its client has left
 * and that of the client's successor run one after the other. Nothing may stand before it: any other
 * statement would fix the snapshot, which must hold what the other load commits (AWS: "Serializable
 * isolation"). The second fails unless the ledger ends where the client believes: who is late learns
 * it before anything is read.
 *
 * Segments that the ledger has are left out, so a load that is repeated changes nothing, not even
 * when deletions came after it. A deletion removes the post in every record before it, in whatever
 * partition and load, and is kept in a table of its own.
 *
 * @param manifest s3:// URL; undefined when none of the segments has a file
 */
export function loadSegments(
  of: TableNames,
  entries: readonly LedgerEntry[],
  expected: readonly ExpectedEnd[],
  manifest: string | undefined,
  iamRole: string,
): readonly string[] {
  const { loads, lock } = redshiftTables(of);
  const known = quoteName(`${of.table}_loads`);
  const segment = list(SEGMENT_COLUMNS.map(([name]) => name));
  return [
    `LOCK ${lock}`,
    ...checkEnds(of, expected),
    setTimeoutSql(STATEMENT_MS_MAX),
    `CREATE TEMP TABLE ${SEGMENTS} (
${segmentColumns()}
)`,
    insertSegments(entries),
    `DELETE FROM ${SEGMENTS} USING ${loads}
WHERE ${equal(SEGMENTS, known, ["kafka_topic", "kafka_partition", "first_offset"])}`,
    ...(manifest === undefined ? [] : loadPosts(of, manifest, iamRole)),
    `INSERT INTO ${loads} (${segment}, "loaded_at") SELECT ${segment}, GETDATE() FROM ${SEGMENTS}`,
  ];
}

/** Whether a statement failed because the ledger did not end as expected. */
export function isUnexpectedEnd(failedSql: string): boolean {
  return /^INSERT INTO \S.*\("as_expected"\)/s.test(failedSql);
}

/**
 * For each topic a statement that inserts nothing when its partitions end as expected, and else a
 * NULL where none may be: the one way to fail that plain SQL has.
 */
function checkEnds(of: TableNames, expected: readonly ExpectedEnd[]): string[] {
  const { loads, lock } = redshiftTables(of);
  const topics = Map.groupBy(expected, ({ topic }) => topic);
  return [...topics].map(([topic, ends]) => {
    const partitions = ends.map(({ partition }) => partition).join(", ");
    const found = ends.filter(({ lastOffset }) => lastOffset !== undefined);
    const whens = found.map(({ partition, lastOffset }) => `WHEN ${partition} THEN ${lastOffset}`);
    const same =
      found.length === 0
        ? "0"
        : `COUNT(CASE WHEN "last_offset" = CASE "kafka_partition" ${whens.join(" ")} END THEN 1 END)`;
    return `INSERT INTO ${lock} ("as_expected") SELECT CAST(NULL AS SMALLINT) FROM (
  SELECT COUNT(*) AS "ended", ${same} AS "same" FROM (
    SELECT "kafka_partition", MAX("last_offset") AS "last_offset" FROM ${loads}
    WHERE "kafka_topic" = ${quoteText(topic)} AND "kafka_partition" IN (${partitions})
    GROUP BY "kafka_partition"
  ) AS "ends"
) AS "counts" WHERE "ended" <> ${found.length} OR "same" <> ${found.length}`;
  });
}

function loadPosts(of: TableNames, manifest: string, iamRole: string): readonly string[] {
  const { posts, deletions } = redshiftTables(of);
  const target = quoteName(of.table);
  const kept = quoteName(`${of.table}_deletions`);
  const names = redshiftColumnNames();
  const columns = list(names);
  const staged = names.map((name) => `${STAGED}.${quoteName(name)}`).join(", ");
  const within =
    `${equal(STAGED, SEGMENTS, ["kafka_topic", "kafka_partition"])} ` +
    `AND ${STAGED}."kafka_offset" BETWEEN ${SEGMENTS}."first_offset" AND ${SEGMENTS}."last_offset"`;
  const deletion = list(DELETION_COLUMNS);
  const role = iamRole === "default" ? "default" : quoteText(iamRole);
  return [
    // Files have more columns than the table: COPY from Parquet wants the same in both.
    `CREATE TEMP TABLE ${STAGED} (
${redshiftColumns({ raw: true })}
)`,
    `COPY ${STAGED} FROM ${quoteText(manifest)} IAM_ROLE ${role} FORMAT AS PARQUET MANIFEST`,
    `CREATE TEMP TABLE ${POSTS} AS SELECT ${columns} FROM (
  SELECT ${staged}, ROW_NUMBER() OVER (
    PARTITION BY ${KEY.map((name) => `${STAGED}.${quoteName(name)}`).join(", ")} ORDER BY ${STAGED}."landed_at"
  ) AS "copy_number"
  FROM ${STAGED} JOIN ${SEGMENTS} ON ${within}
) AS "copies" WHERE "copy_number" = 1`,
    `CREATE TEMP TABLE ${GONE} AS SELECT ${deletion} FROM ${POSTS} WHERE "op" = 'delete'`,
    `DELETE FROM ${POSTS} WHERE "op" = 'delete'`,
    // None is there unless its segment is loaded once more on purpose.
    `DELETE FROM ${deletions} USING ${GONE} WHERE ${equal(kept, GONE, KEY)}`,
    `INSERT INTO ${deletions} (${deletion}) SELECT ${deletion} FROM ${GONE}`,
    `DELETE FROM ${POSTS} USING ${deletions} WHERE ${isDeletedBy(POSTS, kept)}`,
    `DELETE FROM ${posts} USING ${GONE} WHERE ${isDeletedBy(target, GONE)}`,
    `MERGE INTO ${posts} USING ${POSTS} ON ${equal(target, POSTS, KEY)}
WHEN MATCHED THEN UPDATE SET ${updates()}
WHEN NOT MATCHED THEN INSERT (${columns}) VALUES (${names.map((name) => `${POSTS}.${quoteName(name)}`).join(", ")})`,
  ];
}

/**
 * Whether a deletion follows a post of its id: by offset within a partition, else by time, since
 * offsets of two partitions have no order. At the same time it is the deletion that follows.
 */
function isDeletedBy(post: string, deletion: string): string {
  return `${equal(post, deletion, ["kafka_topic", "id"])} AND (
  (${equal(post, deletion, ["kafka_partition"])} AND ${post}."kafka_offset" < ${deletion}."kafka_offset")
  OR (${post}."kafka_partition" <> ${deletion}."kafka_partition" AND ${timeOf(post)} <= ${timeOf(deletion)}))`;
}

/** The record's timestamp, or the time of what it tells where the timestamp is none. */
function timeOf(table: string): string {
  const timestamp = `${table}."kafka_timestamp"`;
  return `CASE WHEN ${timestamp} >= '${FIRST_POST}' THEN ${timestamp} ELSE ${table}."event_time" END`;
}

function updates(): string {
  const key: readonly string[] = KEY;
  return redshiftColumnNames()
    .filter((name) => !key.includes(name))
    .map((name) => `${quoteName(name)} = ${POSTS}.${quoteName(name)}`)
    .join(", ");
}

function insertSegments(entries: readonly LedgerEntry[]): string {
  const rows = entries.map(segmentRow).join(",\n");
  const bytes = Buffer.byteLength(rows);
  if (bytes > SEGMENT_BYTES_MAX) {
    throw new InvariantError(`a load of ${entries.length} segments was not split: ${bytes} bytes`);
  }
  return `INSERT INTO ${SEGMENTS} (${list(SEGMENT_COLUMNS.map(([name]) => name))}) VALUES\n${rows}`;
}

function segmentRow({ cut, rows, deadLetters }: LedgerEntry): string {
  const decided = new Date(cut.decidedAtMs).toISOString().replace("T", " ").slice(0, 23);
  const numbers = `${cut.partition}, ${cut.first}, ${cut.last}, ${rows}, ${deadLetters}`;
  return `(${quoteText(cut.topic)}, ${numbers}, '${decided}')`;
}

/** Entries in order, each segment once: a registration may name one twice. */
export function distinctEntries(entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const byCut = new Map<string, LedgerEntry>();
  for (const entry of entries) byCut.set(keyOf(entry.cut), entry);
  return [...byCut.values()];
}

function keyOf({ topic, partition, first }: Cut): string {
  return `${topic}/${partition}/${first}`;
}

function equal(left: string, right: string, names: readonly string[]): string {
  return names
    .map((name) => `${left}.${quoteName(name)} = ${right}.${quoteName(name)}`)
    .join(" AND ");
}

import {
  quoteName,
  quoteText,
  redshiftTables,
  TEMPORARY_PREFIX,
  type TableNames,
} from "../names.ts";
import { setTimeoutSql } from "../time-limit.ts";
import {
  definition,
  definitions,
  postColumns,
  TOPIC_ID,
  type TableColumn,
} from "./column-types.ts";
import { deleteRetracted, qualified, type QualifiedTable } from "./deletion-sql.ts";
import { DELETION_COLUMNS, list, RANGE_COLUMNS } from "./load-tables.ts";

/** Files of one column list, which one COPY reads. */
export interface StagedFiles {
  /** The columns of the files, in their order. */
  readonly columns: readonly TableColumn[];
  /** s3:// URL. */
  readonly manifest: string;
  readonly rows: number;
  /** No row of them has an earlier event_time, in ms since 1970. */
  readonly earliestMs: number;
  /** Some rows may be there already: only those are loaded whose coordinates are not. */
  readonly overlaps: boolean;
}

/** Offsets of one partition that a load covers. */
export interface CoveredRange {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly from: bigint;
  /** Exclusive. */
  readonly to: bigint;
  readonly rows: number;
  readonly dead: number;
}

/** What one transaction loads. */
export interface Load {
  /** UUID of the log. */
  readonly log: string;
  /** The commit where the table stands; undefined when nothing has been loaded yet. */
  readonly from: number | undefined;
  readonly to: number;
  readonly staged: readonly StagedFiles[];
  /** Joined with their neighbours. */
  readonly ranges: readonly CoveredRange[];
}

/**
 * How long a statement of a load may run: far longer than any does, and far shorter than the day
 * after which Redshift itself would end it and free the lock, when nobody is left to cancel it.
 */
const STATEMENT_MS_MAX = 6 * 3_600_000;
/** Bytes of rows in one INSERT; the rest of a statement fits into the 100 kB that it may have. */
const VALUES_BYTES_MAX = 95_000;
const DAY_MS = 86_400_000;
/** Posts that are older than the load by more are deleted by the daily sweep. */
const RECENT_MS = 7 * DAY_MS;
/** Deletions that are told so much before the post that they follow are applied by the sweep. */
const EARLY_MS = DAY_MS;

const RANGES = quoteName(`${TEMPORARY_PREFIX}ranges`);
const stagedName = (index: number) => quoteName(`${TEMPORARY_PREFIX}staged_${index}`);
const goneName = (index: number) => quoteName(`${TEMPORARY_PREFIX}gone_${index}`);

/**
 * One load, as the statements of one transaction.
 *
 * The first statement locks a table that loads alone use, so that a load which its client has left
 * and that of the client's successor run one after the other. Nothing may stand before it: any other
 * statement would fix the snapshot, which must hold what the other load commits (AWS: "Serializable
 * isolation"). The second fails unless the position is the one that the client believes: who is late
 * learns it before anything is read.
 */
export function loadSql(of: TableNames, load: Load, iamRole: string): readonly string[] {
  const { lock, position } = redshiftTables(of);
  const { from, to, staged } = load;
  const counts = staged.map(
    ({ rows }, index) => `${rows} + (SELECT COUNT(*) FROM ${goneName(index)})`,
  );
  const log = quoteText(load.log);
  return [
    `LOCK ${lock}`,
    expectPosition(of, load),
    setTimeoutSql(STATEMENT_MS_MAX),
    ...staged.flatMap((files, index) => loadFiles(of, files, index, iamRole)),
    ...coverRanges(of, load.ranges),
    from === undefined
      ? `INSERT INTO ${position} ("log", "number", "loaded_at", "swept_at", "unswept") SELECT ${log}, ${to}, GETDATE(), GETDATE(), ${["0", ...counts].join(" + ")}`
      : `UPDATE ${position} SET "number" = ${to}, "loaded_at" = GETDATE(), "unswept" = ${['"unswept"', ...counts].join(" + ")} WHERE "log" = ${log}`,
  ];
}

/**
 * The sweep, as the statements of one transaction: all deletions on all posts, for those that a load
 * did not reach. It fails as a late load does when another process has swept within `ageS`.
 */
export function sweepSql(of: TableNames, ageS: number): readonly string[] {
  const { lock, position } = redshiftTables(of);
  return [
    `LOCK ${lock}`,
    failUnless(
      lock,
      `SELECT COUNT(*) AS "due" FROM ${position} WHERE DATEDIFF(second, "swept_at", GETDATE()) >= ${ageS}`,
      `"due" <> 1`,
    ),
    setTimeoutSql(STATEMENT_MS_MAX),
    ...deleteRetracted(qualified(of, "posts"), qualified(of, "deletions")),
    `UPDATE ${position} SET "swept_at" = GETDATE(), "unswept" = 0 WHERE "unswept" > 0`,
  ];
}

/**
 * The statements that only try whether COPY takes files, and whether they have the rows that the log
 * says; nothing of them stays.
 */
export function tryFilesSql(
  of: TableNames,
  files: StagedFiles,
  iamRole: string,
): readonly string[] {
  const staged = stagedName(0);
  return [
    setTimeoutSql(STATEMENT_MS_MAX),
    ...copyFiles(files, staged, iamRole),
    expectRows(of, files, staged),
  ];
}

/** What an expectation of ours was about, of a statement that failed by it. */
export function failedExpectation(sql: string): "position" | "rows" | undefined {
  if (!/^INSERT INTO \S.*\("as_expected"\)/s.test(sql)) return undefined;
  return /\bFROM "hybridge_load_staged_\d+"\) AS "found" WHERE/.test(sql) ? "rows" : "position";
}

/** A NULL where none may be is the one way to fail that plain SQL has. */
function failUnless(lock: string, found: string, wrong: string): string {
  return `INSERT INTO ${lock} ("as_expected") SELECT CAST(NULL AS SMALLINT) FROM (${found}) AS "found" WHERE ${wrong}`;
}

function expectPosition(of: TableNames, { log, from }: Load): string {
  const { lock, position } = redshiftTables(of);
  const same = `"log" = ${quoteText(log)} AND "number" = ${from ?? 0}`;
  return failUnless(
    lock,
    `SELECT COUNT(*) AS "rows", COUNT(CASE WHEN ${same} THEN 1 END) AS "same" FROM ${position}`,
    from === undefined ? `"rows" <> 0` : `"rows" <> 1 OR "same" <> 1`,
  );
}

function expectRows(of: TableNames, { rows }: StagedFiles, staged: string): string {
  const { lock } = redshiftTables(of);
  return failUnless(lock, `SELECT COUNT(*) AS "rows" FROM ${staged}`, `"rows" <> ${rows}`);
}

function copyFiles(
  { columns, manifest }: StagedFiles,
  staged: string,
  iamRole: string,
): readonly string[] {
  const role = iamRole === "default" ? "default" : quoteText(iamRole);
  return [
    // COPY from Parquet wants the same columns in table and file, in one order.
    `CREATE TEMP TABLE ${staged} (\n${definitions(columns)}\n)`,
    `COPY ${staged} FROM ${quoteText(manifest)} IAM_ROLE ${role} FORMAT AS PARQUET MANIFEST`,
  ];
}

function loadFiles(
  of: TableNames,
  files: StagedFiles,
  index: number,
  iamRole: string,
): readonly string[] {
  const { posts, deletions } = redshiftTables(of);
  const [staged, gone] = [stagedName(index), goneName(index)];
  const hasTopicId = files.columns.some(({ name }) => name === TOPIC_ID.name);
  const given = new Set([...files.columns.map(({ name }) => name), TOPIC_ID.name]);
  const kept = postColumns().filter(({ name }) => given.has(name));
  const columns = list(kept.map(({ name }) => name));
  const deletion = list(DELETION_COLUMNS.map(({ name }) => name));
  const [everyPost, everyDeletion] = [qualified(of, "posts"), qualified(of, "deletions")];
  const newPosts = { table: staged, qualifier: staged };
  const newDeletions = { table: gone, qualifier: gone };
  const since = (column: string, ms: number) => `${column}."event_time" >= '${timestamp(ms)}'`;
  const recent = since(everyPost.qualifier, files.earliestMs - RECENT_MS);
  const timely = since(everyDeletion.qualifier, files.earliestMs - EARLY_MS);
  return [
    ...copyFiles(files, staged, iamRole),
    expectRows(of, files, staged),
    ...(hasTopicId ? [] : [`ALTER TABLE ${staged} ADD COLUMN ${definition(TOPIC_ID).trim()}`]),
    ...(files.overlaps
      ? [everyPost, everyDeletion].map((there) => withoutPresent(staged, there, files))
      : []),
    `CREATE TEMP TABLE ${gone} AS SELECT ${deletion} FROM ${staged} WHERE "op" = 'delete'`,
    // The deletions that are there take new posts away; then the new deletions take any.
    ...deleteRetracted(newPosts, everyDeletion, timely),
    `INSERT INTO ${posts} (${columns}) SELECT ${columns} FROM ${staged} WHERE "op" <> 'delete'`,
    `INSERT INTO ${deletions} (${deletion}) SELECT ${deletion} FROM ${gone}`,
    ...deleteRetracted(everyPost, newDeletions, recent),
  ];
}

/** Leaves out of the staged rows those whose coordinates a table has already. */
function withoutPresent(
  staged: string,
  { table, qualifier }: QualifiedTable,
  files: StagedFiles,
): string {
  const equal = ["kafka_topic", "kafka_partition", "kafka_offset"]
    .map((name) => `${staged}."${name}" = ${qualifier}."${name}"`)
    .join(" AND ");
  const id = (of: string) => `COALESCE(${of}."kafka_topic_id", '')`;
  return `DELETE FROM ${staged} USING ${table}
WHERE ${equal} AND ${id(staged)} = ${id(qualifier)} AND ${qualifier}."event_time" >= '${timestamp(files.earliestMs)}'`;
}

/** Ranges that begin where a known one ends lengthen it; the others are rows of their own. */
function coverRanges(of: TableNames, ranges: readonly CoveredRange[]): readonly string[] {
  if (ranges.length === 0) return [];
  const table = redshiftTables(of).ranges;
  const known = quoteName(`${of.table}_ranges`);
  const names = list(RANGE_COLUMNS.map(({ name }) => name));
  const key = ["kafka_topic", "kafka_topic_id", "kafka_partition"]
    .map((name) => `${known}."${name}" = ${RANGES}."${name}"`)
    .join(" AND ");
  const sum = (name: string) => `"${name}" = ${known}."${name}" + ${RANGES}."${name}"`;
  return [
    `CREATE TEMP TABLE ${RANGES} (\n${definitions(RANGE_COLUMNS)}\n)`,
    ...valuesOf(ranges).map((rows) => `INSERT INTO ${RANGES} (${names}) VALUES\n${rows}`),
    `UPDATE ${table} SET "end_offset" = ${RANGES}."end_offset", ${sum("row_count")}, ${sum("dead_letters")}
FROM ${RANGES} WHERE ${key} AND ${known}."end_offset" = ${RANGES}."first_offset"`,
    `DELETE FROM ${RANGES} USING ${table} WHERE ${key} AND ${known}."end_offset" = ${RANGES}."end_offset"`,
    `INSERT INTO ${table} (${names}) SELECT ${names} FROM ${RANGES}`,
  ];
}

/** The rows of INSERTs, none too long. */
function valuesOf(ranges: readonly CoveredRange[]): string[] {
  const statements: string[][] = [];
  let room = 0;
  for (const range of ranges) {
    const { topic, topicId, partition, from, to, rows, dead } = range;
    const row = `(${quoteText(topic)}, ${quoteText(topicId)}, ${partition}, ${from}, ${to}, ${rows}, ${dead})`;
    const bytes = Buffer.byteLength(row) + 2;
    if (bytes > room) {
      statements.push([]);
      room = VALUES_BYTES_MAX;
    }
    statements.at(-1)?.push(row);
    room -= bytes;
  }
  return statements.map((rows) => rows.join(",\n"));
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 23);
}

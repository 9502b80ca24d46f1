import { columns, redshiftColumnNames, redshiftColumns } from "@hybridge/tweet";
import type { Cut, LedgerEntry } from "@hybridge/landing";

/** The tables that loads write, quoted where they must be. */
export interface Tables {
  /** Schema name, not quoted. */
  readonly schema: string;
  /** Name of the table of posts within it; the others derive from it. */
  readonly posts: string;
}

/** Rows of one INSERT: far below the 100 kB that a statement may have. */
const INSERT_ROWS = 200;
const KEY = ["kafka_topic", "kafka_partition", "kafka_offset"] as const;

const SEGMENT_COLUMNS = `
  kafka_topic VARCHAR(249) NOT NULL,
  kafka_partition INTEGER NOT NULL,
  first_offset BIGINT NOT NULL,
  last_offset BIGINT NOT NULL,
  row_count BIGINT NOT NULL,
  dead_letters BIGINT NOT NULL,
  decided_at TIMESTAMP NOT NULL`;

/**
 * Keys are declared for the planner and for readers: Redshift enforces none of them. Posts lie
 * sorted by event time, which queries name, and spread by offset, which loads join on.
 */
export function createTables(tables: Tables): readonly string[] {
  const { posts, loads, deletions } = namesOf(tables);
  return [
    `CREATE SCHEMA IF NOT EXISTS ${tables.schema}`,
    `CREATE TABLE IF NOT EXISTS ${posts} (
${redshiftColumns({ raw: false })},
  PRIMARY KEY (${KEY.join(", ")})
) DISTSTYLE KEY DISTKEY (kafka_offset) COMPOUND SORTKEY (event_time)`,
    `CREATE TABLE IF NOT EXISTS ${loads} (${SEGMENT_COLUMNS},
  loaded_at TIMESTAMP NOT NULL,
  PRIMARY KEY (kafka_topic, kafka_partition, first_offset)
) DISTSTYLE ALL COMPOUND SORTKEY (kafka_topic, kafka_partition, first_offset)`,
    `CREATE TABLE IF NOT EXISTS ${deletions} (
  kafka_topic VARCHAR(249) NOT NULL,
  kafka_partition INTEGER NOT NULL,
  kafka_offset BIGINT NOT NULL,
  id VARCHAR(512) NOT NULL,
  event_time TIMESTAMP NOT NULL,
  raw_md5 VARCHAR(32) NOT NULL,
  PRIMARY KEY (${KEY.join(", ")})
) DISTSTYLE KEY DISTKEY (kafka_offset) COMPOUND SORTKEY (event_time)`,
  ];
}

/** Asks for the columns of the table of posts and for no row. */
export function describePosts(tables: Tables): string {
  return `SELECT * FROM ${namesOf(tables).posts} WHERE 1 = 0`;
}

/** The last offset that was loaded of `:topic` and `:partition`. */
export function selectPosition(tables: Tables): string {
  return `SELECT MAX(last_offset) AS last_offset FROM ${namesOf(tables).loads}
WHERE kafka_topic = :topic AND kafka_partition = :partition`;
}

/**
 * One load, as the statements of one transaction.
 *
 * Segments that the ledger has are left out before anything is written, so a load that is repeated
 * changes nothing, not even when deletions came after it. A deletion removes the post in every
 * record before it, also in records that are loaded later, and is kept in a table of its own.
 *
 * @param manifest s3:// URL; undefined when none of the segments has a file
 */
export function loadSegments(
  tables: Tables,
  entries: readonly LedgerEntry[],
  manifest: string | undefined,
  iamRole: string,
): readonly string[] {
  const { loads } = namesOf(tables);
  const same = equal("segments", "known", ["kafka_topic", "kafka_partition", "first_offset"]);
  return [
    `CREATE TEMP TABLE segments (${SEGMENT_COLUMNS}
)`,
    ...insertSegments(entries),
    `DELETE FROM segments USING ${loads} known WHERE ${same}`,
    ...(manifest === undefined ? [] : loadPosts(tables, manifest, iamRole)),
    `INSERT INTO ${loads} SELECT segments.*, GETDATE() FROM segments`,
  ];
}

function loadPosts(tables: Tables, manifest: string, iamRole: string): readonly string[] {
  const { posts, deletions } = namesOf(tables);
  const names = redshiftColumnNames();
  const list = names.join(", ");
  const staged = names.map((name) => `staged.${name}`).join(", ");
  const within =
    `${equal("staged", "segments", ["kafka_topic", "kafka_partition"])} ` +
    "AND staged.kafka_offset BETWEEN segments.first_offset AND segments.last_offset";
  const post = ["kafka_topic", "kafka_partition", "id"];
  const deletion = [...KEY, "id", "event_time", "raw_md5"].join(", ");
  const role = iamRole === "default" ? "default" : quoted(iamRole);
  return [
    // Files have `raw`, the table has not: COPY from Parquet wants the same columns in both.
    `CREATE TEMP TABLE staged (
${redshiftColumns({ raw: true })}
)`,
    `COPY staged FROM ${quoted(manifest)} IAM_ROLE ${role} FORMAT AS PARQUET MANIFEST`,
    `CREATE TEMP TABLE loaded AS SELECT ${list} FROM (
  SELECT ${staged}, ROW_NUMBER() OVER (
    PARTITION BY ${KEY.map((name) => `staged.${name}`).join(", ")} ORDER BY staged.landed_at
  ) AS copy_number
  FROM staged JOIN segments ON ${within}
) copies WHERE copy_number = 1`,
    `CREATE TEMP TABLE gone AS SELECT ${deletion} FROM loaded WHERE op = 'delete'`,
    // None is there unless its segment is loaded once more on purpose.
    `DELETE FROM ${deletions} USING gone WHERE ${equal(`${tables.posts}_deletions`, "gone", KEY)}`,
    `INSERT INTO ${deletions} (${deletion}) SELECT ${deletion} FROM gone`,
    `DELETE FROM loaded USING ${deletions} deleted
WHERE ${equal("loaded", "deleted", post)} AND loaded.kafka_offset <= deleted.kafka_offset`,
    `DELETE FROM ${posts} USING gone
WHERE ${equal(tables.posts, "gone", post)} AND ${tables.posts}.kafka_offset <= gone.kafka_offset`,
    `MERGE INTO ${posts} USING loaded ON ${equal(tables.posts, "loaded", KEY)}
WHEN MATCHED THEN UPDATE SET ${updates()}
WHEN NOT MATCHED THEN INSERT (${list}) VALUES (${names.map((name) => `loaded.${name}`).join(", ")})`,
  ];
}

function updates(): string {
  const key: readonly string[] = KEY;
  return redshiftColumnNames()
    .filter((name) => !key.includes(name))
    .map((name) => `${name} = loaded.${name}`)
    .join(", ");
}

function insertSegments(entries: readonly LedgerEntry[]): string[] {
  const statements: string[] = [];
  for (let from = 0; from < entries.length; from += INSERT_ROWS) {
    const rows = entries.slice(from, from + INSERT_ROWS).map(segmentRow);
    statements.push(`INSERT INTO segments VALUES\n${rows.join(",\n")}`);
  }
  return statements;
}

function segmentRow({ cut, rows, deadLetters }: LedgerEntry): string {
  const decided = new Date(cut.decidedAtMs).toISOString().replace("T", " ").slice(0, 23);
  const numbers = `${cut.partition}, ${cut.first}, ${cut.last}, ${rows}, ${deadLetters}`;
  return `(${quoted(cut.topic)}, ${numbers}, '${decided}')`;
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

/** Columns that rows of this version need and `found` lacks. */
export function missingColumns(found: readonly string[]): readonly string[] {
  const wanted = columns.map(({ name }) => name).filter((name) => name !== "raw");
  return wanted.filter((name) => !found.includes(name));
}

function namesOf({ schema, posts }: Tables) {
  const full = `${schema}.${posts}`;
  return { posts: full, loads: `${full}_loads`, deletions: `${full}_deletions` };
}

function equal(left: string, right: string, names: readonly string[]): string {
  return names.map((name) => `${left}.${name} = ${right}.${name}`).join(" AND ");
}

/** A text literal. Topics and URLs hold no backslash, which Redshift would take for an escape. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

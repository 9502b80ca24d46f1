import { createHash } from "node:crypto";
import type { Hive } from "@hybridge/hive";
import {
  describeLog,
  ensureTopic,
  openFencedWriter,
  type PositionRun,
  type RecordToSend,
} from "@hybridge/kafka";
import { Cluster, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import { encodePosition, RunList } from "@hybridge/mirror";
import { produceBatches, TransactionalProducer } from "@hybridge/kafka/testing";
import {
  openLandingLog,
  storedCatalogPosition,
  TABLE_NAME,
  type TableStore,
} from "@hybridge/landing";
import type { Redshift } from "@hybridge/redshift";
import { hiveColumns, redshiftColumnNames, redshiftColumns } from "@hybridge/tweet";
import { valuesOf, type Value } from "./typed-values.ts";

/** A record as both sides hold it, by its source offset. */
export interface Row {
  readonly partition: number;
  readonly offset: bigint;
  readonly id: string;
  readonly op: "upsert" | "delete";
  readonly lang: string;
}

/** Where the mirror put them: two runs, with an aborted record and a marker between at the source. */
export const runs: readonly PositionRun[] = [
  { sourceOffset: 0n, targetOffset: 1n, count: 30n },
  { sourceOffset: 32n, targetOffset: 33n, count: 10n },
];

/**
 * The rows of partitions 0 and 1; the last of each partition deletes the first, the one before it in
 * partition 1 a post of partition 0, and the one before that the account of an author who has two
 * posts in partition 0.
 */
const AUTHOR = "one-who-left";
export const rows: readonly Row[] = [0, 1].flatMap((partition) =>
  runs.flatMap((run) =>
    Array.from({ length: Number(run.count) }, (_, at): Row => {
      const offset = run.sourceOffset + BigInt(at);
      const isForeign = partition === 1 && offset === 40n;
      const isAccount = partition === 1 && offset === 39n;
      const isDeletion = isForeign || isAccount || offset === 41n;
      const deleted = isForeign ? "p0-6" : isAccount ? `account:${AUTHOR}` : `p${partition}-0`;
      const id = isDeletion ? deleted : `p${partition}-${offset}`;
      return {
        partition,
        offset,
        id,
        op: isDeletion ? "delete" : "upsert",
        lang: at % 2 ? "en" : "ja",
      };
    }),
  ),
);

/** Posts of the author whose account is deleted; the loader has removed the second one only. */
const ofAuthor = ["p0-10", "p0-11"];
/** What the same author posted after it. */
const ofAuthorSince = "p0-12";

/** Posts that no deletion follows. */
export const kept: readonly Row[] = rows.filter(
  ({ id, op }) =>
    op === "upsert" &&
    !ofAuthor.includes(id) &&
    !rows.some((row) => row.op === "delete" && row.id === id),
);

export const sourceEnd = 42n;
export const targetEnd = 43n;
/** When the records of the source were produced, one every second. */
export const producedMs = Date.UTC(2026, 10, 23, 9);

const targetOffsetOf = (offset: bigint) => offset + 1n;

/** All values of a row, by column; the topic and the coordinates are those of the source. */
function typedRow(row: Row): Record<string, Value> {
  const { partition, offset, id, op, lang } = row;
  const index = partition * 100 + Number(offset);
  return {
    ...valuesOf(index),
    ...timesOf(row),
    kafka_topic: "hybrid",
    kafka_partition: partition,
    kafka_offset: offset,
    id,
    op,
    lang,
    hashtags: '["Tag_1"]',
    kafka_topic_id: "A",
    ...([...ofAuthor, ofAuthorSince].includes(id) ? { author_id: AUTHOR } : {}),
    raw_md5: createHash("md5").update(`${partition}/${offset}`).digest("hex"),
  };
}

/** A deletion of another partition follows a post by time, of which either record has one. */
function timesOf({ id, op }: Row): Record<string, Value> {
  if (ofAuthor.includes(id)) return { kafka_timestamp: "2026-11-23 08:00:00" };
  if (id === ofAuthorSince) return { kafka_timestamp: "2026-11-23 09:30:01" };
  if (id.startsWith("account:")) return { kafka_timestamp: "2026-11-23 09:30:00" };
  if (id !== "p0-6") return {};
  // A record's time that is none: in seconds, taken for milliseconds.
  if (op === "upsert")
    return { kafka_timestamp: "1970-01-21 00:00:00", event_time: "2026-11-23 09:00:00" };
  return { kafka_timestamp: "2026-11-23 09:00:00", event_time: "2026-11-22 09:00:00" };
}

async function run(engine: Hive | Redshift, sql: string, signal: AbortSignal): Promise<void> {
  const { batches } = await engine.execute(sql, { signal });
  const reading = batches[Symbol.asyncIterator]();
  while ((await reading.next()).done !== true) continue;
}

/** Commits of the landing log that Hive follows: at the first, partition 1 is landed up to 35. */
export const VISIBLE = { all: 2, lacking: 1 } as const;

/** The log beside the internal data. @returns what says up to which commit Hive shows it */
export async function landedLog(
  store: TableStore,
  signal: AbortSignal,
): Promise<(commit: number) => Promise<void>> {
  const emit = () => undefined;
  const log = await openLandingLog({ store, table: TABLE_NAME, writer: "test", emit }, signal);
  const range = (partition: number, from: bigint, to: bigint) => {
    return { partition, from, to, rows: 0, dead: 0, md5Sum: 0n };
  };
  for (const ranges of [[range(0, 0n, sourceEnd), range(1, 0n, 35n)], [range(1, 35n, sourceEnd)]]) {
    const advance = { cluster: "test", topic: "hybrid", topicId: "A", ranges };
    await log.commit(await log.prepare({ advances: [advance] }, signal), signal);
  }
  const stored = storedCatalogPosition(store, "hive");
  return (number) => stored.write({ log: log.state.log, number }, signal);
}

/**
 * Hive's table of posts. As text that is escaped, since timestamps
 * that Hive itself writes into Parquet or ORC go through the server's zone (those that DuckDB
 * writes, as the landing does, have none).
 */
export async function fillHive(hive: Hive, signal: AbortSignal): Promise<void> {
  await run(hive, "CREATE DATABASE IF NOT EXISTS hybridge", signal);
  await run(
    hive,
    `CREATE EXTERNAL TABLE hybridge.tweets (${hiveColumns()}) PARTITIONED BY (dt string, hr string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' ESCAPED BY '\\\\' STORED AS TEXTFILE
TBLPROPERTIES ('serialization.escape.crlf'='true')`,
    signal,
  );
  const names = redshiftColumnNames();
  const values = rows.map((row) => {
    const typed = typedRow(row);
    return `(${names.map((name) => hiveLiteral(typed[name] ?? null)).join(", ")})`;
  });
  await run(
    hive,
    `INSERT INTO hybridge.tweets PARTITION (dt='2026-11-23', hr='09') (${names.join(", ")}) VALUES ${values.join(", ")}`,
    signal,
  );
}

/** Redshift's tables, as loads leave them. */
export async function fillRedshift(redshift: Redshift, signal: AbortSignal): Promise<void> {
  const deleted = new Set(rows.filter(({ op }) => op === "delete").map(({ id }) => id));
  deleted.add("p0-11");
  const inTarget = (row: Row): Record<string, Value> => ({
    ...typedRow(row),
    kafka_offset: targetOffsetOf(row.offset),
    landed_at: "2026-11-23 10:00:00",
  });
  const insert = (table: string, names: readonly string[], list: readonly Row[]) => {
    const values = list.map((row) => {
      const typed = inTarget(row);
      return `(${names.map((name) => redshiftLiteral(typed[name] ?? null)).join(", ")})`;
    });
    return `INSERT INTO ${table} (${names.join(", ")}) VALUES ${values.join(", ")}`;
  };
  const ofDeletion = [
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "id",
    "kafka_timestamp",
    "event_time",
    "raw_md5",
    "kafka_topic_id",
  ];
  const posts = rows.filter(({ id }) => !deleted.has(id));
  const deletions = rows.filter(({ op }) => op === "delete");
  await redshift.transaction(
    [
      "CREATE SCHEMA hybridge",
      `CREATE TABLE hybridge.tweets (${redshiftColumns({ raw: false })})`,
      "CREATE TABLE hybridge.tweets_deletions (kafka_topic VARCHAR(249), kafka_partition INTEGER, kafka_offset BIGINT, id VARCHAR(512), kafka_timestamp TIMESTAMP, event_time TIMESTAMP, raw_md5 VARCHAR(32), kafka_topic_id VARCHAR(300))",
      "CREATE TABLE hybridge.tweets_ranges (kafka_topic VARCHAR(249), kafka_topic_id VARCHAR(280), kafka_partition INTEGER, first_offset BIGINT, end_offset BIGINT, row_count BIGINT, dead_letters BIGINT)",
      `INSERT INTO hybridge.tweets_ranges VALUES ('hybrid', 'A', 0, 0, ${targetEnd}, 0, 0), ('hybrid', 'A', 1, 0, ${targetEnd}, 0, 0)`,
      insert("hybridge.tweets", redshiftColumnNames(), posts),
      insert("hybridge.tweets_deletions", ofDeletion, deletions),
    ],
    { signal },
  );
}

/** What is one character many times would not fit into a statement. */
function repeated(value: string): string | undefined {
  const [first = ""] = value;
  const times = value.length / first.length;
  return value.length > 1_000 ? `REPEAT('${first}', ${times})` : undefined;
}

/** HiveServer2 reads statements line by line, and replaces `${...}` before it reads them. */
function hiveLiteral(value: Value): string {
  if (typeof value !== "string") return String(value);
  const plain = (character: string) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return repeated(value) ?? `'${value.replaceAll(/[\\'$;\p{Cc}]/gu, plain)}'`;
}

/** A backslash is one in any setting of Redshift when it comes from a function. */
function redshiftLiteral(value: Value): string {
  if (typeof value !== "string") return String(value);
  return (
    repeated(value) ?? `'${value.replaceAll("'", "''").replaceAll("\\", "' || CHR(92) || '")}'`
  );
}

const topic = "hybrid";

/**
 * The source: a third partition that nobody has mirrored, and in the others as many records as
 * there are rows, with records of aborted transactions and markers among and behind them.
 */
export async function fillSource(bootstrap: string, signal: AbortSignal): Promise<void> {
  const cluster = { bootstrap, clientId: "test" };
  await ensureTopic(cluster, { topic, partitions: 3 }, signal);
  await using aborting = new TransactionalProducer(cluster, "test-aborted", signal);
  for (const { sourceOffset, count } of runs) {
    for (const partition of [0, 1]) {
      const records = Array.from({ length: Number(count) }, (_, index) =>
        record(Number(sourceOffset) + index),
      );
      await produceBatches(cluster, { topic, partition }, [records], signal);
    }
    await aborting.begin();
    for (const partition of [0, 1]) await aborting.send({ topic, partition }, [record(0)]);
    await aborting.end(false);
    // EndTxn answers before its markers are in the log.
    await untilStable(bootstrap, sourceOffset + count + 2n, signal);
  }
}

async function untilStable(bootstrap: string, end: bigint, signal: AbortSignal): Promise<void> {
  const cluster = { bootstrap, clientId: "test" };
  for (;;) {
    const { partitions } = await describeLog(cluster, topic, signal);
    if ([0, 1].every((partition) => partitions.get(partition)?.end === end)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Records in the partition that nobody follows. */
export async function produceUnfollowed(bootstrap: string, count: number, signal: AbortSignal) {
  const records = Array.from({ length: count }, (_, index) => record(index));
  const cluster = { bootstrap, clientId: "test" };
  await produceBatches(cluster, { topic, partition: 2 }, [records], signal);
}

function record(second: number): RecordToSend {
  const value = Buffer.from("{}");
  return { key: null, value, headers: [], timestampMs: producedMs + second * 1_000 };
}

/** The positions that the mirror writes. */
export async function writeRuns(bootstrap: string, signal: AbortSignal): Promise<void> {
  const cluster = { bootstrap, clientId: "test" };
  const { topicId } = await describeLog(cluster, topic, signal);
  await using raw = new Cluster(cluster);
  const { clusterId } = await raw.describe([], signal);
  await ensureTopic(cluster, { topic: POSITIONS_TOPIC, partitions: 1 }, signal);
  await using writer = await openFencedWriter({
    cluster,
    transactionalId: "test-positions",
    topic: POSITIONS_TOPIC,
    partitions: [0],
    signal,
  });
  const entries = [0, 1].flatMap((partition) =>
    runs.map((each) =>
      encodePosition({
        scope: {
          mirrorId: "test",
          sourceClusterId: clusterId,
          partition,
          sourceTopic: topic,
          targetTopic: topic,
          sourceTopicId: topicId,
          targetTopicId: "target",
        },
        writer: { producerId: 1n, producerEpoch: 0 },
        runs: new RunList(each),
        epoch: -1,
        isDeadLetter: false,
      }),
    ),
  );
  await writer.append(
    0,
    entries.map(({ key, value }) => ({ key, value, headers: [], timestampMs: Date.now() })),
  );
}

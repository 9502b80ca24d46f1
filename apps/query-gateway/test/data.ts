import { createHash } from "node:crypto";
import type { Hive } from "@hybridge/hive";
import { openFencedWriter, ensureTopic } from "@hybridge/kafka";
import { encodePosition, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import type { PositionRun } from "@hybridge/query";
import type { Redshift } from "@hybridge/redshift";
import { hiveColumns, redshiftColumns } from "@hybridge/tweet";

/** A record as both sides hold it, by its source offset. */
export interface Row {
  readonly partition: number;
  readonly offset: bigint;
  readonly id: string;
  readonly op: "upsert" | "delete";
  readonly lang: string;
}

/** Where the mirror put them: two runs, with a gap on either side between. */
export const runs: readonly PositionRun[] = [
  { sourceOffset: 0n, targetOffset: 1n, count: 30n },
  { sourceOffset: 32n, targetOffset: 33n, count: 100n },
];

/** The rows of partitions 0 and 1; the last of each partition deletes the first. */
export const rows: readonly Row[] = [0, 1].flatMap((partition) =>
  runs.flatMap((run, index) =>
    Array.from({ length: index === 0 ? 30 : 10 }, (_, at): Row => {
      const offset = run.sourceOffset + BigInt(at);
      const isDeletion = index === 1 && at === 9;
      const id = isDeletion ? `p${partition}-0` : `p${partition}-${offset}`;
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

export const sourceEnd = 42n;
export const targetEnd = 43n;

const targetOffsetOf = (offset: bigint) => offset + 1n;
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const md5Of = ({ partition, offset }: Row) => md5(`${partition}/${offset}`);

async function run(engine: Hive | Redshift, sql: string, signal: AbortSignal): Promise<void> {
  const { batches } = await engine.execute(sql, { signal });
  const reading = batches[Symbol.asyncIterator]();
  while ((await reading.next()).done !== true) continue;
}

/** Hive's table of posts, as text, which a test can insert into; and how far it was registered. */
export async function fillHive(hive: Hive, signal: AbortSignal): Promise<void> {
  await run(hive, "CREATE DATABASE IF NOT EXISTS hybridge", signal);
  await run(
    hive,
    `CREATE EXTERNAL TABLE hybridge.tweets (${hiveColumns()}) PARTITIONED BY (dt string, hr string)
TBLPROPERTIES ('hybridge.next.hybrid.0'='${sourceEnd}', 'hybridge.next.hybrid.1'='${sourceEnd}')`,
    signal,
  );
  const values = rows.map((row) => {
    const { partition, offset, id, op, lang } = row;
    return `('hybrid', ${partition}, ${offset}, '${id}', '${op}', '${lang}', '["Tag_1"]', '${md5Of(row)}')`;
  });
  await run(
    hive,
    `INSERT INTO hybridge.tweets PARTITION (dt='2026-11-23', hr='09')
(kafka_topic, kafka_partition, kafka_offset, id, op, lang, hashtags, raw_md5) VALUES ${values.join(", ")}`,
    signal,
  );
}

/** Redshift's tables, as loads leave them. */
export async function fillRedshift(redshift: Redshift, signal: AbortSignal): Promise<void> {
  const at = "'2026-11-23 09:00:00'";
  const deleted = new Set(rows.filter(({ op }) => op === "delete").map(({ id }) => id));
  const posts = rows.filter(({ id }) => !deleted.has(id));
  const deletions = rows.filter(({ op }) => op === "delete");
  const coordinates = (row: Row) => `'hybrid', ${row.partition}, ${targetOffsetOf(row.offset)}`;
  await redshift.transaction(
    [
      "CREATE SCHEMA hybridge",
      `CREATE TABLE hybridge.tweets (${redshiftColumns({ raw: false })})`,
      "CREATE TABLE hybridge.tweets_deletions (kafka_topic VARCHAR(249), kafka_partition INTEGER, kafka_offset BIGINT, id VARCHAR(512), event_time TIMESTAMP, raw_md5 VARCHAR(32))",
      "CREATE TABLE hybridge.tweets_loads (kafka_topic VARCHAR(249), kafka_partition INTEGER, first_offset BIGINT, last_offset BIGINT)",
      `INSERT INTO hybridge.tweets_loads VALUES ('hybrid', 0, 0, ${targetEnd - 1n}), ('hybrid', 1, 0, ${targetEnd - 1n})`,
      `INSERT INTO hybridge.tweets (kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, id, op, event_time, lang, hashtags, landed_at, raw_md5) VALUES ${posts
        .map(
          (row) =>
            `(${coordinates(row)}, ${at}, '${row.id}', 'upsert', ${at}, '${row.lang}', '["Tag_1"]', ${at}, '${md5Of(row)}')`,
        )
        .join(", ")}`,
      `INSERT INTO hybridge.tweets_deletions VALUES ${deletions
        .map((row) => `(${coordinates(row)}, '${row.id}', ${at}, '${md5Of(row)}')`)
        .join(", ")}`,
    ],
    { signal },
  );
}

/** The positions that the mirror writes. */
export async function writeRuns(bootstrap: string, signal: AbortSignal): Promise<void> {
  const cluster = { bootstrap, clientId: "test" };
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
        ...each,
        partition,
        sourceTopic: "hybrid",
        targetTopic: "hybrid",
        sourceTopicId: "source",
        targetTopicId: "target",
        writerEpoch: 0,
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

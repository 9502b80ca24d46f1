import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Action, Following, LocalFile, LogFile, NumberedCommit } from "@hybridge/landing";
import { rewriteParquet } from "@hybridge/parquet/testing";
import { columns, type Column } from "@hybridge/tweet";
import { redshiftFollower, type RedshiftFollower } from "../src/index.ts";
import { recordOf, type Content, type Warehouse } from "./landed.ts";

const signal = new AbortController().signal;
const EPOCH_MS = Date.UTC(2026, 10, 23, 9);

/** Records of one partition, from an offset on. */
export interface Segment {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly contents: readonly Content[];
  readonly topicId?: string;
  /** "former": files of the version before the log, with the raw JSON and without a topic id. */
  readonly list?: "former" | "present";
}

/** Columns that came with the log. */
const LATER = new Set([
  "kafka_topic_id",
  "kafka_timestamp_ms",
  "kafka_timestamp_type",
  "kafka_key",
  "kafka_headers",
]);

const LISTS = {
  former: columns.map(({ name }) => name).filter((name) => !LATER.has(name)),
  present: columns.filter((each: Column) => each.filesOnly !== true).map(({ name }) => name),
};

/** A log as a test writes it, its files in S3. */
export interface WrittenLog {
  readonly uuid: string;
  readonly commits: NumberedCommit[];
  readonly tip: number;
  /** Lands segments and commits them together. @returns the paths of their files */
  add(...segments: readonly Segment[]): Promise<string[]>;
  /** Commits actions as they are. */
  say(...actions: readonly Action[]): number;
  after(number: number): Following;
  follower(options?: { readonly table?: string }): RedshiftFollower;
  /** Follows to the end of the log, as a process that has just started does. */
  load(table?: string): Promise<void>;
}

export function writtenLog(warehouse: Warehouse): WrittenLog {
  const uuid = randomUUID();
  const commits: NumberedCommit[] = [];
  const say = (...actions: readonly Action[]) => {
    const number = commits.length + 1;
    const id = randomBytes(16).toString("hex");
    const commit = { log: uuid, id, base: number - 1, at: Date.now(), writer: "test", actions };
    commits.push({ number, commit });
    return number;
  };
  const log: WrittenLog = {
    uuid,
    commits,
    get tip() {
      return commits.length;
    },
    say,
    async add(...segments) {
      const landed = [];
      for (const segment of segments) landed.push(await land(warehouse, segment));
      say(...landed.flatMap(({ actions }) => actions));
      return landed.flatMap(({ paths }) => paths);
    },
    after: (number) => ({ ...followingOf(commits, number), from: { log: uuid, number } }),
    follower: (options) =>
      redshiftFollower({
        redshift: warehouse.redshift,
        store: warehouse.table,
        cadence: { minMs: 0, maxMs: 0 },
        ...options,
      }),
    async load(table) {
      const follower = log.follower(table === undefined ? {} : { table });
      let position = await follower.position(signal);
      while ((position?.number ?? 0) < commits.length) {
        position = await follower.follow(log.after(position?.number ?? 0), signal);
      }
    },
  };
  return log;
}

async function land(warehouse: Warehouse, segment: Segment) {
  const { topic, partition, from, contents, topicId = "topic-id-1", list = "present" } = segment;
  const { encoder, table, directory } = warehouse;
  const first = BigInt(from);
  const records = contents.map((content, index) => recordOf(first + BigInt(index), content));
  await using buffer = encoder.open();
  buffer.append({ topic, topicId, partition }, records);
  await using encoded = await buffer.encode({ landedAtMs: EPOCH_MS, signal });
  const files: LogFile[] = [];
  for (const { dt, hr, rows, ...file } of encoded.files) {
    const path = `dt=${dt}/hr=${hr}/${randomUUID()}.parquet`;
    const local = list === "present" ? file : await formerFile(directory, file.localPath);
    await table.upload(path, local, signal);
    files.push({ path, rows, bytes: local.bytes, sha256: local.sha256 });
  }
  const [counts] = encoded.partitions;
  const to = first + BigInt(contents.length);
  const range = {
    partition,
    from: first,
    to,
    rows: counts?.rows ?? 0,
    dead: counts?.deadLetters ?? 0,
    md5Sum: 0n,
  };
  const actions: Action[] = [
    { do: "advance", cluster: "target", topic, topicId, ranges: [range] },
    { do: "add", columns: list, files },
  ];
  return { actions, paths: files.map(({ path }) => path) };
}

/** The same rows as the version before the log wrote them: without a topic id, with the raw JSON. */
async function formerFile(directory: string, from: string): Promise<LocalFile> {
  const localPath = join(directory, `${randomUUID()}.parquet`);
  const names = LISTS.former.map((name) => (name === "raw" ? "'{}' AS raw" : `"${name}"`));
  await rewriteParquet(from, localPath, names);
  const content = await readFile(localPath);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { localPath, bytes: content.length, sha256 };
}

/** All commits after a number. */
export function followingOf(commits: readonly NumberedCommit[], number: number): Following {
  return {
    from: { log: commits[0]?.commit.log ?? "", number },
    to: commits.at(-1)?.number ?? 0,
    commits: commits.filter((each) => each.number > number),
    columns: (id) => LISTS[id as keyof typeof LISTS],
  };
}

/** Writes commits to a file, offsets as text. */
export async function writeLog(path: string, commits: readonly NumberedCommit[]): Promise<void> {
  const text = JSON.stringify(commits, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  await writeFile(path, text);
}

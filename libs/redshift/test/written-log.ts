import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DeleteObjectsCommand } from "@aws-sdk/client-s3";
import type { Action, Cut, Following, NumberedCommit } from "@hybridge/landing";
import { rewriteParquet } from "@hybridge/parquet/testing";
import { columns, type Column } from "@hybridge/tweet";
import { redshiftFollower, type RedshiftFollower } from "../src/index.ts";
import type { ManifestStore } from "../src/loads/load-manifests.ts";
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
  const store = manifestStore(warehouse);
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
        store,
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
  const { encoder, blobs, directory } = warehouse;
  const last = BigInt(from + contents.length - 1);
  const first = BigInt(from);
  const cut: Cut = { topic, partition, first, last, decidedAtMs: EPOCH_MS, schema: encoder.schema };
  const records = contents.map((content, index) => recordOf(first + BigInt(index), content));
  await using encoded = await encoder.encode(cut, records, signal);
  const files = [];
  for (const { dt, hr, localPath, rows } of encoded.files) {
    const path = `dt=${dt}/hr=${hr}/${randomUUID()}.parquet`;
    const rewritten = join(directory, `${randomUUID()}.parquet`);
    const names = LISTS[list].map((name) =>
      name === "kafka_topic_id" ? `'${topicId}' AS kafka_topic_id` : `"${name}"`,
    );
    await rewriteParquet(localPath, rewritten, names);
    const content = await readFile(rewritten);
    const sha256 = createHash("sha256").update(content).digest("hex");
    await blobs.create(`table/${path}`, content, signal);
    files.push({ path, rows, bytes: content.length, sha256 });
  }
  const rows = files.reduce((sum, each) => sum + each.rows, 0);
  const dead = encoded.deadLetters.length;
  const range = { partition, from: first, to: last + 1n, rows, dead, md5Sum: 0n };
  const actions: Action[] = [
    { do: "advance", cluster: "target", topic, topicId, ranges: [range] },
    { do: "add", columns: list, files },
  ];
  return { actions, paths: files.map(({ path }) => path) };
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

/** The folder `table` of the warehouse's bucket. */
export function manifestStore({
  blobs,
  s3Client,
}: Pick<Warehouse, "blobs" | "s3Client">): ManifestStore {
  const within = (path: string) => `table/${path}`;
  return {
    create: (path, bytes, until) => blobs.create(within(path), bytes, until),
    locationOf: (path) => blobs.locationOf(within(path)),
    list: (path, after, until) => blobs.list(within(path), after, until),
    async remove(paths) {
      const Objects = paths.map((path) => ({ Key: `landed/${within(path)}` }));
      await s3Client.client.send(
        new DeleteObjectsCommand({ Bucket: "cloud", Delete: { Objects } }),
      );
    },
  };
}

import type { Emit } from "@hybridge/core";
import type { LandedRange, LogFile, TopicKey } from "../log/protocol.ts";
import type { CommitContent } from "../log/commit-content.ts";
import type { LandingLog } from "../log/landing-log.ts";
import type { TableStore } from "../store-port.ts";
import {
  ledgerFolder,
  padded,
  type FormerFile,
  type FormerPartition,
  type FormerSegment,
} from "./ledger.ts";
import { quarantineUndone } from "./quarantine.ts";
import { findSeal, readBegin, readEntry, sealLedger } from "./seal.ts";

export interface TakeOverOptions {
  readonly log: LandingLog;
  /** The folder that the table's folder lies in: `_ledger` is in it. */
  readonly parent: TableStore;
  /** The folder of the table. */
  readonly table: TableStore;
  /** Up to where the former catalog shows a partition (exclusive); undefined when it shows nothing. */
  readonly visibleEnd: (id: FormerPartition, signal: AbortSignal) => Promise<bigint | undefined>;
  readonly emit: Emit;
}

/** The columns of the files of version 0, in their order. */
const FORMER_COLUMNS = {
  id: "posts.v0",
  names: [
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "kafka_timestamp",
    "id",
    "op",
    "event_time",
    "created_at",
    "source",
    "schema_name",
    "author_id",
    "author_handle",
    "author_name",
    "author_followers",
    "text",
    "lang",
    "hashtags",
    "reply_to_id",
    "repost_of_id",
    "quote_of_id",
    "repost_count",
    "reply_count",
    "like_count",
    "quote_count",
    "possibly_sensitive",
    "traceparent",
    "landed_at",
    "raw_md5",
    "raw",
  ],
};
/** Segments that are read at once. */
const READS_MAX = 16;
/** Files in one commit. */
const FILES_MAX = 1_000;

/**
 * Takes partitions over from the ledger of version 0: whoever of the two versions creates the next
 * link of the ledger has the partition. What is finished there becomes part of the log, step by step,
 * so that an interrupted take-over goes on where it was; what was begun is set aside, and its records
 * are read again. See docs/landing-log.md.
 *
 * @returns false when there is no ledger of the topic
 */
export async function takeOverLedgers(
  options: TakeOverOptions,
  topic: TopicKey,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<boolean> {
  const { names } = await options.parent.list(`_ledger/${topic.topic}`, "", signal);
  if (names.length === 0) return false;
  for (const partition of partitions) await takeOver(options, topic, partition, signal);
  return true;
}

/**
 * Sets files aside that the former version brought after its partition was taken over: it may have
 * slept between writing a file and learning that it has lost.
 */
export async function quarantineLate(
  { log, parent, table, emit }: Omit<TakeOverOptions, "visibleEnd">,
  topic: string,
  signal: AbortSignal,
): Promise<void> {
  const { names } = await parent.list(`_ledger/${topic}`, "", signal);
  for (const name of names) {
    const id = { topic, partition: Number.parseInt(name, 10) };
    const sealed = await findSeal(parent, id, log.state.log, signal);
    if (sealed?.undone) await quarantineUndone(table, id, sealed.undone, emit, signal);
  }
}

async function takeOver(
  options: TakeOverOptions,
  topic: TopicKey,
  partition: number,
  signal: AbortSignal,
): Promise<void> {
  const { log, parent, table, emit } = options;
  const id = { topic: topic.topic, partition };
  const sealed = await sealLedger(parent, id, log.state.log, signal);
  const { from: position } = log.state.position(topic, partition);
  if (sealed === undefined || position >= sealed.end) return;
  if (sealed.undone) await quarantineUndone(table, id, sealed.undone, emit, signal);
  const begin = await readBegin(parent, id, signal);
  const visible = await options.visibleEnd(id, signal);
  if (position < begin) {
    const what = "the former version began behind it";
    const gap = { ...topic, partition, from: position, to: begin, why: "start", what } as const;
    await commit(log, { gaps: [gap] }, signal);
  }
  let part = emptyPart(position < begin ? begin : position);
  for await (const segment of segmentsOf(parent, id, part.from, signal)) {
    part.rows += segment.rows;
    part.dead += segment.deadLetters;
    part.to = segment.last + 1n;
    const isVisible = visible !== undefined && segment.last < visible;
    if (!isVisible) part.files.push(...segment.files.map(logFileOf));
    if (part.files.length < FILES_MAX) continue;
    await commit(log, contentOf(topic, partition, part), signal);
    part = emptyPart(part.to);
  }
  if (part.to > part.from) await commit(log, contentOf(topic, partition, part), signal);
  const message = `${id.topic}/${partition} is taken over from the former version, up to offset ${sealed.end}`;
  const fields = { topic: id.topic, partition, end: String(sealed.end) };
  emit({ name: "landing.taken_over", level: "info", message, fields });
}

/** Some segments in a row; `to` is exclusive. */
interface Part {
  readonly from: bigint;
  to: bigint;
  rows: number;
  dead: number;
  readonly files: LogFile[];
}

function emptyPart(from: bigint): Part {
  return { from, to: from, rows: 0, dead: 0, files: [] };
}

function contentOf(topic: TopicKey, partition: number, part: Part): CommitContent {
  const { files, ...counts } = part;
  const range: LandedRange = { partition, ...counts, md5Sum: 0n };
  return {
    advances: [{ ...topic, ranges: [range] }],
    ...(files.length === 0 ? {} : addOf(files)),
  };
}

function addOf(files: readonly LogFile[]): CommitContent {
  const columns = FORMER_COLUMNS.id;
  return { columns: FORMER_COLUMNS, actions: [{ do: "add", columns, files }] };
}

function logFileOf({ name, rows, bytes, sha256 }: FormerFile): LogFile {
  return { path: name, rows, bytes, sha256 };
}

/** Commits until the log has it, or has something in its place: then another was faster. */
async function commit(log: LandingLog, content: CommitContent, signal: AbortSignal): Promise<void> {
  for (;;) {
    const prepared = await log.prepare(content, signal);
    const { kind } = await log.commit(prepared, signal);
    if (kind === "committed") {
      await log.publish(prepared, signal);
      return;
    }
    await log.discard(prepared, signal);
    if (kind === "lost") return;
  }
}

/** The finished segments of a ledger from an offset on, in order. */
async function* segmentsOf(
  store: TableStore,
  id: FormerPartition,
  from: bigint,
  signal: AbortSignal,
): AsyncGenerator<FormerSegment> {
  const folder = ledgerFolder(id);
  let after = padded(from);
  for (;;) {
    const page = await store.list(folder, after, signal);
    after = page.names.at(-1) ?? after;
    const names = page.names.filter((name) => name.endsWith(".done"));
    for (let at = 0; at < names.length; at += READS_MAX) {
      const read = names.slice(at, at + READS_MAX).map((name) => {
        return readEntry(store, folder, name, signal);
      });
      for (const entry of await Promise.all(read)) {
        if (entry.kind === "done") yield entry.segment;
      }
    }
    if (!page.more) return;
  }
}

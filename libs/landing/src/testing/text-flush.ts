import { createHash } from "node:crypto";
import type {
  Encoded,
  EncodedAdvance,
  EncodedPartition,
  FlushBuffer,
  FlushDeadLetter,
  FlushEncoder,
  FlushFile,
  FlushRecord,
} from "../encoder-port.ts";
import type { WriteDeadLetters } from "../flush/flusher.ts";
import type { LocalFile } from "../store-port.ts";

type TextRow = EncodedPartition & FlushRecord;

/** Content of files that are on no disk; see readTextFile. */
const contents = new Map<string, Buffer>();
let made = 0;

/** The content of a file that was made here, for a store in memory. */
export function readTextFile({ localPath }: LocalFile): Promise<Buffer> {
  const content = contents.get(localPath);
  return content ? Promise.resolve(content) : Promise.reject(new RangeError(`no ${localPath}`));
}

/** What a record costs beside its value; a guess, as good as any in a test. */
const RECORD_BYTES = 100;

/**
 * An encoder for tests: a line `topicId/partition/offset value` per record, a file per hour of the
 * record's timestamp. A value that begins with "bad" is a dead letter.
 */
export function textFlushEncoder(
  more: { readonly beforeEncode?: () => Promise<void> } = {},
): FlushEncoder {
  return {
    columns: { id: "text-1", names: ["line"] },
    open: () => openText(more.beforeEncode),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function openText(beforeEncode: (() => Promise<void>) | undefined): FlushBuffer {
  let rows: TextRow[] = [];
  return {
    get bytes() {
      return rows.reduce((sum, { value }) => sum + RECORD_BYTES + (value?.length ?? 0), 0);
    },
    get rows() {
      return rows.length;
    },
    append(at, records) {
      for (const record of records) rows.push({ ...record, ...at });
    },
    drop(partitions) {
      const dropped = new Set(partitions.map(keyOf));
      rows = rows.filter((row) => !dropped.has(keyOf(row)));
    },
    async encode({ without = [], signal }) {
      await beforeEncode?.();
      signal.throwIfAborted();
      const left = new Set(without.map(keyOf));
      return encodeText(rows.filter((row) => !left.has(keyOf(row))));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const keyOf = ({ topicId, partition }: EncodedPartition) => `${topicId}/${partition}`;

function encodeText(rows: readonly TextRow[]): Encoded {
  const hours = new Map<string, string[]>();
  const deadLetters: FlushDeadLetter[] = [];
  const advances = new Map<string, EncodedAdvance>();
  for (const row of rows) {
    const { topic, topicId, partition, offset, timestampMs, value } = row;
    const text = value?.toString() ?? "";
    const isBad = text.startsWith("bad");
    const before = advances.get(keyOf(row));
    const md5 = createHash("md5").update(text).digest("hex").slice(0, 15);
    advances.set(keyOf(row), {
      ...{ topic, topicId, partition },
      rows: (before?.rows ?? 0) + (isBad ? 0 : 1),
      deadLetters: (before?.deadLetters ?? 0) + (isBad ? 1 : 0),
      md5Sum: (before?.md5Sum ?? 0n) + (isBad ? 0n : BigInt(`0x${md5}`)),
    });
    if (isBad) {
      deadLetters.push({ ...row, reason: "begins with bad" });
      continue;
    }
    const hour = new Date(timestampMs).toISOString().slice(0, 13);
    hours.set(hour, [...(hours.get(hour) ?? []), `${keyOf(row)}/${offset} ${text}\n`]);
  }
  const files: FlushFile[] = [];
  for (const [hour, lines] of hours) {
    const [dt = "", hr = ""] = hour.split("T");
    const local = textFile(lines.join(""));
    files.push({ ...local, dt, hr, rows: lines.length, ranges: [] });
  }
  return {
    files,
    deadLetters,
    partitions: [...advances.values()],
    without(partitions, signal) {
      signal.throwIfAborted();
      const left = new Set(partitions.map(keyOf));
      return Promise.resolve(encodeText(rows.filter((row) => !left.has(keyOf(row)))));
    },
    async [Symbol.asyncDispose]() {
      for (const file of files) await remove(file);
    },
  };
}

/** A line `topicId/partition/offset value` per dead letter. */
export const textDeadLetters: WriteDeadLetters = (letters) => {
  const lines = letters.map((each) => `${keyOf(each)}/${each.offset} ${String(each.value)}\n`);
  const file = textFile(lines.join(""));
  return Promise.resolve({ ...file, [Symbol.asyncDispose]: () => remove(file) });
};

function textFile(text: string): LocalFile {
  const content = Buffer.from(text);
  const localPath = `text-${made++}`;
  contents.set(localPath, content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { localPath, bytes: content.length, sha256 };
}

function remove({ localPath }: LocalFile): Promise<void> {
  contents.delete(localPath);
  return Promise.resolve();
}

import { Buffer } from "node:buffer";
import { columns } from "./columns.ts";
import { Kind, type JsonScanner } from "./json-scanner.ts";
import type { PostSchema } from "./post.ts";
import { storable } from "./text.ts";

/** Columns of text that a scanned post says. */
export const scannedTexts = [
  "id",
  "author_id",
  "author_handle",
  "author_name",
  "text",
  "lang",
  "hashtags",
  "reply_to_id",
  "repost_of_id",
  "quote_of_id",
] as const;

/** Columns of counts that it says. */
export const scannedCounts = [
  "author_followers",
  "repost_count",
  "reply_count",
  "like_count",
  "quote_count",
] as const;

export type ScannedText = (typeof scannedTexts)[number];
export type ScannedCount = (typeof scannedCounts)[number];

/** Columns whose text may stand as JSON, in quotes and with escapes. */
export const quotableTexts: ReadonlySet<string> = new Set<ScannedText>([
  "author_handle",
  "author_name",
  "text",
  "lang",
]);

const bytesMax = scannedTexts.map((name) => {
  const found = columns.find((each) => each.name === name);
  return found !== undefined && "bytesMax" in found ? found.bytesMax : 0;
});
const isQuotable = scannedTexts.map((name) => quotableTexts.has(name));

const INDEX = Object.fromEntries(scannedTexts.map((name, index) => [name, index])) as Record<
  ScannedText,
  number
>;
const COUNT_INDEX = Object.fromEntries(scannedCounts.map((name, index) => [name, index])) as Record<
  ScannedCount,
  number
>;

/** More than any column that is composed takes. */
const COMPOSED_BYTES = 131_072;

/**
 * What a post says, by place: texts are ranges of the bytes that were scanned. A text that begins
 * with a quote is a string of JSON, quotes and escapes included (text itself cannot begin so there:
 * JSON escapes it). One object is filled again and again.
 *
 * A setter returns false when what it finds is unusual: the reader in JavaScript decides then.
 */
export class ScannedPost {
  schema: PostSchema = "x.v2";
  createdAtMs = 0;
  /** NaN when the source does not say. */
  observedAtMs = Number.NaN;
  possiblySensitive: boolean | null = null;
  /** By scannedTexts. Below zero: the complement of a place in `composed`. */
  readonly starts = new Int32Array(scannedTexts.length);
  /** By scannedTexts; -1 is null. */
  readonly lengths = new Int32Array(scannedTexts.length);
  /** By scannedCounts; NaN is null. */
  readonly counts = new Float64Array(scannedCounts.length);
  /** Texts that no range of the bytes is. */
  readonly composed = Buffer.alloc(COMPOSED_BYTES);
  composedBytes = 0;

  clear(): void {
    this.observedAtMs = Number.NaN;
    this.possiblySensitive = null;
    this.lengths.fill(-1);
    this.counts.fill(Number.NaN);
    this.composedBytes = 0;
  }

  /** The text in a slot; null where nothing or null stands. */
  putText(name: ScannedText, scanner: JsonScanner, slot: number): boolean {
    const kind = scanner.kinds[slot] ?? Kind.absent;
    if (kind <= Kind.null) return true;
    const index = INDEX[name];
    const start = scanner.starts[slot] ?? 0;
    const end = scanner.ends[slot] ?? 0;
    if (kind === Kind.text) return this.#put(index, start, end - start);
    if (isQuotable[index] !== true) return false;
    if (kind === Kind.escaped) return this.#put(index, start - 1, end - start + 2);
    return kind === Kind.unstorable && this.#putMended(index, scanner.bytes, start - 1, end + 1);
  }

  /** The id in a slot, which must have one. */
  putId(name: ScannedText, scanner: JsonScanner, slot: number): boolean {
    const start = scanner.starts[slot] ?? 0;
    const length = (scanner.ends[slot] ?? 0) - start;
    return scanner.kinds[slot] === Kind.text && length > 0 && this.#put(INDEX[name], start, length);
  }

  /** The id in a slot, or null where neither it nor its number is given. */
  putIdIfAny(name: ScannedText, scanner: JsonScanner, slot: number, numberSlot: number): boolean {
    if ((scanner.kinds[slot] ?? 0) > Kind.null) return this.putId(name, scanner, slot);
    return (scanner.kinds[numberSlot] ?? 0) <= Kind.null;
  }

  putCount(name: ScannedCount, scanner: JsonScanner, slot: number): boolean {
    const kind = scanner.kinds[slot] ?? Kind.absent;
    if (kind <= Kind.null) return true;
    this.counts[COUNT_INDEX[name]] = scanner.numbers[slot] ?? Number.NaN;
    return kind === Kind.count;
  }

  putFlag(scanner: JsonScanner, slot: number): boolean {
    const kind = scanner.kinds[slot] ?? Kind.absent;
    if (kind === Kind.true || kind === Kind.false) this.possiblySensitive = kind === Kind.true;
    else return kind <= Kind.null;
    return true;
  }

  /** Begins a composed text; `compose` adds to it, `putComposed` ends it. */
  beginComposed(): number {
    return this.composedBytes;
  }

  compose(bytes: Uint8Array, start: number, length: number): boolean {
    if (this.composedBytes + length > COMPOSED_BYTES) return false;
    const { composed } = this;
    let to = this.composedBytes;
    for (let from = start; from < start + length; from++) composed[to++] = bytes[from] ?? 0;
    this.composedBytes = to;
    return true;
  }

  composeByte(byte: number): boolean {
    if (this.composedBytes === COMPOSED_BYTES) return false;
    this.composed[this.composedBytes++] = byte;
    return true;
  }

  putComposed(name: ScannedText, begun: number): boolean {
    return this.#put(INDEX[name], ~begun, this.composedBytes - begun);
  }

  putRange(name: ScannedText, start: number, length: number): boolean {
    return this.#put(INDEX[name], start, length);
  }

  /** Text with escapes of what no engine stores: as storable makes it, beside the bytes. */
  #putMended(index: number, bytes: Uint8Array, from: number, to: number): boolean {
    const said = JSON.parse(Buffer.from(bytes.subarray(from, to)).toString("utf8")) as string;
    const text = storable(said, bytesMax[index] ?? 0);
    const written = Buffer.from(text.startsWith('"') ? JSON.stringify(text) : text);
    const begun = this.composedBytes;
    if (!this.compose(written, 0, written.length)) return false;
    return this.#put(index, ~begun, written.length);
  }

  #put(index: number, start: number, length: number): boolean {
    this.starts[index] = start;
    this.lengths[index] = length;
    // Longer text is cut where its escapes are read.
    return length <= (bytesMax[index] ?? 0);
  }
}

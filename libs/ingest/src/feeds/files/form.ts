import { readPosts } from "@hybridge/tweet";
import { JsonLexer, isSpace } from "./json-lexer.ts";
import { ValueSlicer } from "./json-values.ts";
import type { Layout } from "./items.ts";

/** The beginning of a file, unpacked. */
export interface Head {
  readonly bytes: Buffer;
  /** Whether this is all of it. */
  readonly isWhole: boolean;
}

export type Form =
  | ({ readonly ok: true } & Pick<Layout, "form" | "skip">)
  /** Why nothing can be made of it, and what to do. */
  | { readonly ok: false; readonly reason: string };

/** Values of a head that are tried before a document is refused. */
const TRIED_MAX = 100;
const LINES_TRIED_MAX = 200;

/** What the beginning of a file says of its form; the name of the file says nothing. */
export function formOf(head: Head): Form {
  const foreign = foreignFormat(head.bytes);
  if (foreign !== undefined) return refuse(foreign);
  const skip = startOf(head.bytes);
  const bytes = head.bytes.subarray(skip);
  if (isSpread(bytes)) return documentForm({ ...head, bytes }, skip);
  return looksBinary(bytes) && !hasReadableLine(bytes)
    ? refuse("it holds binary data; posts are JSON text, as it is or packed by gzip or zstd")
    : { ok: true, form: "lines", skip };
}

const magics: readonly (readonly [hex: string, reason: string])[] = [
  ["fffe0000", "it is UTF-32; make it UTF-8: iconv -f UTF-32 -t UTF-8"],
  ["0000feff", "it is UTF-32; make it UTF-8: iconv -f UTF-32 -t UTF-8"],
  ["fffe", "it is UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8"],
  ["feff", "it is UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8"],
  ["504b0304", "it is a ZIP archive; unpack it and name the files in it"],
  ["425a68", "it is packed by bzip2; unpack it, or pack it by gzip or zstd"],
  ["fd377a585a00", "it is packed by xz; unpack it, or pack it by gzip or zstd"],
  ["04224d18", "it is packed by lz4; unpack it, or pack it by gzip or zstd"],
  ["377abcaf271c", "it is a 7z archive; unpack it and name the files in it"],
  ["50415231", "it is a Parquet file; posts are read as JSON text"],
  ["4f626a01", "it is an Avro file; posts are read as JSON text"],
  ["4f5243", "it is an ORC file; posts are read as JSON text"],
];

/** Brackets and a brace or quote in UTF-16, for files without a byte order mark. */
const WIDE = /^(?:[[{]\0\s*\0?["{]\0|\0[[{]\0\s*["{])/;

function foreignFormat(bytes: Buffer): string | undefined {
  const start = bytes.subarray(0, 16).toString("hex");
  const known = magics.find(([hex]) => start.startsWith(hex));
  if (known) return known[1];
  const isWide = WIDE.test(bytes.subarray(0, 16).toString("latin1"));
  return isWide ? "it is UTF-16; make it UTF-8: iconv -f UTF-16LE (or BE) -t UTF-8" : undefined;
}

/**
 * Bytes before the first item: a byte order mark, and the assignment that makes a script of a
 * part of a personal archive (`window.YTD.tweets.part0 = [`).
 */
function startOf(bytes: Buffer): number {
  const mark = bytes.subarray(0, 3).toString("hex") === "efbbbf" ? 3 : 0;
  const text = bytes.subarray(mark, mark + 512).toString("latin1");
  const assignment = /^\s*(?:(?:var|let|const)\s+)?[A-Za-z_$][\w$.]*\s*=\s*(?=[[{])/.exec(text);
  return mark + (assignment?.[0].length ?? 0);
}

/** Whether values are spread over lines, or several stand in one line or list. */
function isSpread(bytes: Buffer): boolean {
  let start = 0;
  while (isSpace(bytes[start])) start += 1;
  const opening = String.fromCharCode(bytes[start] ?? 0);
  if (opening === "[") return beginsAsList(bytes, start + 1);
  if (opening !== "{") return false;
  const { outcome, at, hasStatuses } = runOver(bytes, start);
  if (outcome === "invalid") return false;
  if (hasStatuses) return true;
  const feed = bytes.indexOf(0x0a, start);
  if (outcome === "more") return feed >= 0;
  if (feed >= 0 && feed < at) return true;
  let next = at;
  while (next < bytes.length && bytes[next] !== 0x0a && isSpace(bytes[next])) next += 1;
  return bytes[next] === 0x7b;
}

/** A log line may begin with a bracket too: what the first element is decides. */
function beginsAsList(bytes: Buffer, from: number): boolean {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  const first = String.fromCharCode(bytes[at] ?? 0x5d);
  if (first === "]") return true;
  if (first === "{" || first === "[") return runOver(bytes, at).outcome !== "invalid";
  return runOver(bytes, from - 1).outcome !== "invalid";
}

/** Runs over one value; with it, whether it is an object whose member `statuses` is a list. */
function runOver(bytes: Buffer, from: number) {
  const lexer = new JsonLexer();
  let { outcome, at } = lexer.run(bytes, from);
  let hasStatuses = false;
  while (outcome === "list") {
    hasStatuses ||= /"statuses"\s*:\s*$/.test(bytes.toString("latin1", Math.max(0, at - 64), at));
    lexer.enterList();
    ({ outcome, at } = lexer.run(bytes, at + 1));
  }
  return { outcome, at, hasStatuses };
}

/** A document in whose beginning nothing is a post holds something else: told once, at the start. */
function documentForm({ bytes, isWhole }: Head, skip: number): Form {
  const slicer = new ValueSlicer(bytes.length, skip);
  const items = slicer.push(bytes);
  const isInList = slicer.isInList;
  if (isWhole) items.push(...slicer.end());
  const form = { ok: true, form: "values", skip } as const;
  const tried = items.slice(0, TRIED_MAX);
  if (tried.some((item) => isReadable(item.bytes))) return form;
  if (tried.length > 0) {
    return refuse(
      `it is JSON that is spread over lines, and none of its first ${tried.length} values is a post or anything else that a source sends`,
    );
  }
  if (isWhole || isInList || PAGE_MEMBERS.test(bytes.toString("latin1"))) return form;
  return refuse(
    `its first ${bytes.length} bytes are the beginning of one JSON value that is no list and no page of posts`,
  );
}

const PAGE_MEMBERS = /"(?:data|includes|statuses|meta|errors)"\s*:/;

function isReadable(bytes: Buffer): boolean {
  return readPosts(bytes).some(({ kind }) => kind !== "unreadable");
}

/** JSON has no NUL, and text has few other control characters. */
function looksBinary(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 65_536);
  let odd = 0;
  for (const byte of sample) {
    if (byte === 0) return true;
    if (byte < 0x20 && !isSpace(byte)) odd += 1;
  }
  return odd > sample.length / 20;
}

function hasReadableLine(bytes: Buffer): boolean {
  let start = 0;
  for (let count = 0; count < LINES_TRIED_MAX && start < bytes.length; count++) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed < 0 ? bytes.length : feed;
    if (isReadable(bytes.subarray(start, end))) return true;
    start = end + 1;
  }
  return false;
}

function refuse(reason: string): Form {
  return { ok: false, reason };
}

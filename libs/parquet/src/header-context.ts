import { headerNames, headersText, type TweetRecord } from "@hybridge/tweet";
import type { Slab } from "./slab.ts";

type Headers = TweetRecord["headers"];

/** A text on the side of a slab; a length of -1 is NULL. */
interface SideRange {
  readonly start: number;
  readonly length: number;
}

/** What the headers of a record say, written to the side of a slab. Neighbours share one. */
export interface HeaderContext {
  readonly headers: Headers;
  readonly text: SideRange;
  readonly source: SideRange;
  readonly traceparent: SideRange;
  /** A deletion, or text that is not plain: the reader in JavaScript takes those. */
  readonly isUnusual: boolean;
}

const NOTHING: SideRange = { start: 0, length: -1 };
const SOURCE_BYTES_MAX = 64;
const TRACEPARENT_BYTES_MAX = 128;

export function writeHeaders(slab: Slab, headers: Headers): HeaderContext {
  const source = lastOf(headers, headerNames.source);
  const traceparent = lastOf(headers, headerNames.traceparent);
  const op = lastOf(headers, headerNames.op);
  return {
    headers: headers.map(([name, value]) => [name, value && Buffer.from(value)] as const),
    text: slab.addSideText(headersText(headers)),
    source: sideRange(slab, source),
    traceparent: sideRange(slab, traceparent),
    isUnusual:
      op?.toString("latin1") === "delete" ||
      !isPlain(source, SOURCE_BYTES_MAX) ||
      !isPlain(traceparent, TRACEPARENT_BYTES_MAX),
  };
}

export function areSame(a: Headers, b: Headers): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    const [name, value] = a[index] ?? ["", null];
    const [otherName, other] = b[index] ?? ["", null];
    if (name !== otherName) return false;
    if (value === null || other === null) {
      if (value !== other) return false;
    } else if (!areSameBytes(value, other)) return false;
  }
  return true;
}

/** Values of headers are short: a loop is faster than a call into native code. */
function areSameBytes(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length) return false;
  if (a.length > 64) return a.equals(b);
  // From the end: spans of one trace differ there.
  for (let index = a.length - 1; index >= 0; index--) if (a[index] !== b[index]) return false;
  return true;
}

/** As rowOf reads headers: of several the last that has a value. */
function lastOf(headers: Headers, wanted: string): Buffer | null {
  let last: Buffer | null = null;
  for (const [name, value] of headers) if (name === wanted && value !== null) last = value;
  return last;
}

function sideRange(slab: Slab, value: Buffer | null): SideRange {
  if (value === null) return NOTHING;
  return { start: slab.addSide(value, 0, value.length), length: value.length };
}

/** ASCII without NUL, and no more of it than the column takes: stored as it is. */
function isPlain(value: Buffer | null, bytesMax: number): boolean {
  if (value === null) return true;
  if (value.length > bytesMax) return false;
  for (const byte of value) if (byte === 0 || byte > 0x7f) return false;
  return true;
}

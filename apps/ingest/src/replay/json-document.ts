/** A piece of a document, by byte: `end` is exclusive. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * The posts in a JSON document, as slices of its bytes, so that each keeps the exact form in which
 * it came: the elements of a list, or those of the list `statuses` of an object, or else the whole
 * object. Broken JSON is not an error here: the slice that holds the break is no JSON either, and
 * whoever reads it finds out.
 */
export function postSlices(bytes: Buffer): Slice[] {
  const start = skipSpace(bytes, 0);
  if (bytes[start] === OPEN_LIST) return elementSlices(bytes, start);
  if (bytes[start] !== OPEN_OBJECT)
    return start < bytes.length ? [{ start, end: bytes.length }] : [];
  const list = memberValue(bytes, start, "statuses");
  if (list !== undefined && bytes[list] === OPEN_LIST) return elementSlices(bytes, list);
  return [{ start, end: trimEnd(bytes, start, bytes.length) }];
}

function elementSlices(bytes: Buffer, list: number): Slice[] {
  const slices: Slice[] = [];
  let at = skipSpace(bytes, list + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_LIST) {
    const end = valueEnd(bytes, at);
    slices.push({ start: at, end: trimEnd(bytes, at, end) });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return slices;
}

/** Where the value of a member of the object begins, or undefined when there is no such member. */
function memberValue(bytes: Buffer, object: number, name: string): number | undefined {
  let at = skipSpace(bytes, object + 1);
  while (bytes[at] === QUOTE) {
    const nameEnd = stringEnd(bytes, at);
    const found = bytes.toString("utf8", at + 1, nameEnd - 1) === name;
    at = skipSpace(bytes, nameEnd);
    if (bytes[at] !== COLON) return undefined;
    at = skipSpace(bytes, at + 1);
    if (found) return at;
    at = skipSpace(bytes, valueEnd(bytes, at));
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return undefined;
}

/** Where the value that begins at `start` ends: at the comma or bracket that is not its own. */
function valueEnd(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      continue;
    }
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1;
    else if (depth === 0 && (byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT)) {
      // A closing brace where none was opened belongs to the broken piece: always move on.
      return at === start ? at + 1 : at;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
    at += 1;
  }
  return at;
}

/** Just past the closing quote of the string that begins at `start`, or the end of the document. */
function stringEnd(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

function trimEnd(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(bytes[at - 1])) at -= 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

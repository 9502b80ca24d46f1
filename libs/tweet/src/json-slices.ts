/** A piece of a JSON text, by byte; `end` is exclusive. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Where the elements of the list stand that begins at `list`, so that each can be kept in the form
 * in which it came. The bytes are known to be JSON: nothing is checked here.
 */
export function elementsOf(bytes: Buffer, list: number): Slice[] {
  const slices: Slice[] = [];
  let at = skipSpace(bytes, list + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_LIST) {
    const end = valueEnd(bytes, at);
    slices.push({ start: at, end });
    at = afterComma(bytes, end);
  }
  return slices;
}

/** Where the values of the members of an object stand; of a name that comes twice, the last. */
export function membersOf(bytes: Buffer, object: number): Map<string, Slice> {
  const members = new Map<string, Slice>();
  let at = skipSpace(bytes, object + 1);
  while (bytes[at] === QUOTE) {
    const nameEnd = valueEnd(bytes, at);
    const name = JSON.parse(bytes.toString("utf8", at, nameEnd)) as string;
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1);
    const end = valueEnd(bytes, start);
    members.set(name, { start, end });
    at = afterComma(bytes, end);
  }
  return members;
}

/** Where the text's value begins: behind white space, and behind a byte order mark. */
export function valueStart(bytes: Buffer): number {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return skipSpace(bytes, hasMark ? 3 : 0);
}

function valueEnd(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const byte = bytes[at];
    if (byte === QUOTE) at = stringEnd(bytes, at);
    else if (depth === 0 && byte !== OPEN_LIST && byte !== OPEN_OBJECT) return scalarEnd(bytes, at);
    else {
      if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1;
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
      at += 1;
    }
  } while (depth > 0 && at < bytes.length);
  return at;
}

function stringEnd(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

function scalarEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
  return at;
}

function isDelimiter(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT || isSpace(byte);
}

function afterComma(bytes: Buffer, from: number): number {
  const at = skipSpace(bytes, from);
  return bytes[at] === COMMA ? skipSpace(bytes, at + 1) : at;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

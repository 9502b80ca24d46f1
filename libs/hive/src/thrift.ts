// Thrift's binary protocol, as far as HiveServer2 needs it, without generated code: requests are
// small, and the one large response is columns, which are decoded in place by columns.ts.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
import { HiveProtocolError } from "./errors.ts";

export const ttype = {
  stop: 0,
  bool: 2,
  byte: 3,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  string: 11,
  struct: 12,
  map: 13,
  set: 14,
  list: 15,
} as const;

/** Bytes of one value of each type whose length does not depend on the value. */
export const FIXED_WIDTH: Readonly<Record<number, number>> = {
  2: 1,
  3: 1,
  4: 8,
  6: 2,
  8: 4,
  10: 8,
};

/** Real messages nest eight deep. */
export const DEPTH_MAX = 32;

export const messageType = { call: 1, reply: 2, exception: 3 } as const;
const VERSION_1 = 0x80010000;

/** A value to write: its type and its bytes. */
export interface Encoded {
  readonly type: number;
  readonly parts: readonly Buffer[];
}

export const bool = (value: boolean): Encoded => ({
  type: ttype.bool,
  parts: [Buffer.from([value ? 1 : 0])],
});

export const i16 = (value: number): Encoded => ({ type: ttype.i16, parts: [int16(value)] });

export const i32 = (value: number): Encoded => ({ type: ttype.i32, parts: [int32(value)] });

export function i64(value: bigint): Encoded {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return { type: ttype.i64, parts: [bytes] };
}

/** Text and binary are the same on the wire. */
export function bytes(value: string | Buffer): Encoded {
  const content = typeof value === "string" ? Buffer.from(value) : value;
  return { type: ttype.string, parts: [int32(content.length), content] };
}

/** Fields by id; undefined ones are left out. */
export function struct(fields: Readonly<Record<number, Encoded | undefined>>): Encoded {
  const parts: Buffer[] = [];
  for (const [id, value] of Object.entries(fields)) {
    if (value) parts.push(Buffer.from([value.type]), int16(Number(id)), ...value.parts);
  }
  parts.push(Buffer.from([ttype.stop]));
  return { type: ttype.struct, parts };
}

export function list(elementType: number, values: readonly Encoded[]): Encoded {
  const head = Buffer.concat([Buffer.from([elementType]), int32(values.length)]);
  // One part, however many values: parts are spread into arguments.
  return {
    type: ttype.list,
    parts: [Buffer.concat([head, ...values.flatMap(({ parts }) => parts)])],
  };
}

export function textMap(entries: Readonly<Record<string, string>>): Encoded {
  const pairs = Object.entries(entries);
  const head = Buffer.concat([Buffer.from([ttype.string, ttype.string]), int32(pairs.length)]);
  return {
    type: ttype.map,
    parts: [head, ...pairs.flatMap(([key, value]) => [...bytes(key).parts, ...bytes(value).parts])],
  };
}

export function encodeMessage(type: number, name: string, sequence: number, body: Encoded): Buffer {
  const head = int32((VERSION_1 | type) >> 0);
  return Buffer.concat([head, ...bytes(name).parts, int32(sequence), ...body.parts]);
}

/** A list that stays encoded: `count` values of `elementType`, the first at `start`. */
export interface ListView {
  readonly elementType: number;
  readonly count: number;
  readonly buffer: Buffer;
  readonly start: number;
}

export type Decoded =
  boolean | number | bigint | Buffer | Struct | ListView | ReadonlyMap<string, Decoded>;

/** The fields of a struct; those that the message does not have are undefined. */
export interface Struct {
  readonly [id: number]: Decoded | undefined;
}

export interface Message {
  readonly type: number;
  readonly name: string;
  readonly sequence: number;
  readonly body: Struct;
}

/** Decodes one whole message, as splitMessages cuts them. @throws HiveProtocolError */
export function decodeMessage(buffer: Buffer): Message {
  const cursor: Cursor = { buffer, at: 0 };
  try {
    const type = cursor.buffer.readInt32BE(0) & 0xff;
    cursor.at = 4;
    const name = readBytes(cursor).toString();
    const sequence = readInt32(cursor);
    return { type, name, sequence, body: readStruct(cursor, 0) };
  } catch (cause) {
    if (cause instanceof HiveProtocolError) throw cause;
    throw new HiveProtocolError("a message of HiveServer2 ends too early", { cause });
  }
}

/** The structs of a list of structs. */
export function structsOf(view: ListView): Struct[] {
  if (view.elementType !== ttype.struct) return [];
  const cursor: Cursor = { buffer: view.buffer, at: view.start };
  return Array.from({ length: view.count }, () => readStruct(cursor, 1));
}

export function isList(value: Decoded | undefined): value is ListView {
  return typeof value === "object" && "elementType" in value;
}

export function isStruct(value: Decoded | undefined): value is Struct {
  return typeof value === "object" && !Buffer.isBuffer(value) && !isMap(value) && !isList(value);
}

export function isMap(value: Decoded | undefined): value is ReadonlyMap<string, Decoded> {
  return value instanceof Map;
}

export function textOf(value: Decoded | undefined): string | undefined {
  return Buffer.isBuffer(value) ? value.toString() : undefined;
}

interface Cursor {
  readonly buffer: Buffer;
  at: number;
}

function readStruct(cursor: Cursor, depth: number): Struct {
  if (depth > DEPTH_MAX) throw new HiveProtocolError("a message of HiveServer2 is nested too deep");
  const fields: Record<number, Decoded> = {};
  for (;;) {
    const type = cursor.buffer.readUInt8(cursor.at++);
    if (type === ttype.stop) return fields;
    const id = cursor.buffer.readInt16BE(cursor.at);
    cursor.at += 2;
    fields[id] = readValue(cursor, type, depth + 1);
  }
}

function readValue(cursor: Cursor, type: number, depth: number): Decoded {
  const { buffer, at } = cursor;
  const width = FIXED_WIDTH[type];
  if (width !== undefined) {
    cursor.at += width;
    return readFixed(buffer, at, type);
  }
  switch (type) {
    case ttype.string:
      return readBytes(cursor);
    case ttype.struct:
      return readStruct(cursor, depth);
    case ttype.map:
      return readMap(cursor, depth);
    case ttype.list:
    case ttype.set:
      return readList(cursor, depth);
    default:
      throw unknownType(type);
  }
}

function readFixed(buffer: Buffer, at: number, type: number): boolean | number | bigint {
  switch (type) {
    case ttype.bool:
      return buffer.readUInt8(at) !== 0;
    case ttype.byte:
      return buffer.readInt8(at);
    case ttype.double:
      return buffer.readDoubleBE(at);
    case ttype.i16:
      return buffer.readInt16BE(at);
    case ttype.i32:
      return buffer.readInt32BE(at);
    default:
      return buffer.readBigInt64BE(at);
  }
}

function readList(cursor: Cursor, depth: number): ListView {
  const elementType = cursor.buffer.readUInt8(cursor.at++);
  const count = readInt32(cursor);
  const view = { elementType, count, buffer: cursor.buffer, start: cursor.at };
  const width = FIXED_WIDTH[elementType];
  if (width !== undefined) cursor.at += width * count;
  else if (elementType === ttype.string) skipTexts(cursor, count);
  else for (let index = 0; index < count; index++) readValue(cursor, elementType, depth);
  return view;
}

function skipTexts(cursor: Cursor, count: number): void {
  const { buffer } = cursor;
  let at = cursor.at;
  for (let index = 0; index < count; index++) at += 4 + buffer.readInt32BE(at);
  cursor.at = at;
}

function readMap(cursor: Cursor, depth: number): ReadonlyMap<string, Decoded> {
  const keyType = cursor.buffer.readUInt8(cursor.at++);
  const valueType = cursor.buffer.readUInt8(cursor.at++);
  const count = readInt32(cursor);
  const map = new Map<string, Decoded>();
  for (let index = 0; index < count; index++) {
    const key = readValue(cursor, keyType, depth);
    // Every map of HiveServer2 has texts as keys.
    map.set(textOf(key) ?? "", readValue(cursor, valueType, depth));
  }
  return map;
}

function readBytes(cursor: Cursor): Buffer {
  const length = readInt32(cursor);
  const end = cursor.at + length;
  if (length < 0 || end > cursor.buffer.length) {
    throw new HiveProtocolError(`a message of HiveServer2 has a text of ${length} bytes`);
  }
  const value = cursor.buffer.subarray(cursor.at, end);
  cursor.at = end;
  return value;
}

function readInt32(cursor: Cursor): number {
  const value = cursor.buffer.readInt32BE(cursor.at);
  cursor.at += 4;
  return value;
}

export function unknownType(type: number): HiveProtocolError {
  return new HiveProtocolError(`a message of HiveServer2 has a value of unknown type ${type}`);
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

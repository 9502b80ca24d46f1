import { bool, bytes, i16, i32, i64, list, struct, ttype, type Encoded } from "../thrift.ts";

/** null, or what the type of the column holds; texts for all that travel as text. */
export type FakeValue = boolean | number | bigint | string | Buffer | null;

export interface FakeColumn {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** Of a decimal. */
  readonly precision?: number;
  readonly scale?: number;
}

/** The TTypeId, the member of TColumn, the type of its elements and the value of a null. */
const TYPES = {
  boolean: [0, 1, ttype.bool, false],
  tinyint: [1, 2, ttype.byte, 0],
  smallint: [2, 3, ttype.i16, 0],
  int: [3, 4, ttype.i32, 0],
  bigint: [4, 5, ttype.i64, 0n],
  double: [6, 6, ttype.double, 0],
  string: [7, 7, ttype.string, ""],
  timestamp: [8, 7, ttype.string, ""],
  binary: [9, 8, ttype.string, ""],
  decimal: [15, 7, ttype.string, ""],
  date: [17, 7, ttype.string, ""],
} as const;

/** A TTableSchema. */
export function encodeSchema(columns: readonly FakeColumn[]): Encoded {
  const descriptions = columns.map(({ name, type, precision, scale }, index) => {
    const qualifiers =
      precision === undefined ? undefined : qualifierMap({ precision, scale: scale ?? 0 });
    const primitive = struct({ 1: i32(TYPES[type][0]), 2: qualifiers });
    const typeDescription = struct({ 1: list(ttype.struct, [struct({ 1: primitive })]) });
    return struct({ 1: bytes(name), 2: typeDescription, 3: i32(index + 1) });
  });
  return struct({ 1: list(ttype.struct, descriptions) });
}

/** A TRowSet of columns. */
export function encodeRows(
  columns: readonly FakeColumn[],
  rows: readonly (readonly FakeValue[])[],
): Encoded {
  const encoded = columns.map((column, index) => {
    const [, member, elementType, zero] = TYPES[column.type];
    const values = rows.map((row) => encodeValue(elementType, row[index] ?? zero));
    const nulls = bitmap(rows.map((row) => row[index] === null));
    return struct({ [member]: struct({ 1: list(elementType, values), 2: bytes(nulls) }) });
  });
  return struct({
    1: i64(0n),
    2: list(ttype.struct, []),
    3: list(ttype.struct, encoded),
  });
}

function encodeValue(elementType: number, value: Exclude<FakeValue, null>): Encoded {
  switch (elementType) {
    case ttype.bool:
      return bool(value === true);
    case ttype.byte:
      return { type: ttype.byte, parts: [Buffer.from([Number(value) & 0xff])] };
    case ttype.i16:
      return i16(Number(value));
    case ttype.i32:
      return i32(Number(value));
    case ttype.i64:
      return i64(typeof value === "bigint" ? value : BigInt(Number(value)));
    case ttype.double: {
      const buffer = Buffer.alloc(8);
      buffer.writeDoubleBE(Number(value));
      return { type: ttype.double, parts: [buffer] };
    }
    default:
      return bytes(Buffer.isBuffer(value) ? value : String(value));
  }
}

function qualifierMap(numbers: Readonly<Record<string, number>>): Encoded {
  const pairs = Object.entries(numbers);
  const count = Buffer.alloc(4);
  count.writeInt32BE(pairs.length);
  const map = {
    type: ttype.map,
    parts: [
      Buffer.from([ttype.string, ttype.struct]),
      count,
      ...pairs.flatMap(([name, value]) => [
        ...bytes(name).parts,
        ...struct({ 1: i32(value) }).parts,
      ]),
    ],
  };
  return struct({ 1: map });
}

/** Java's BitSet.toByteArray(): lowest bit first, without zeros at the end. */
function bitmap(flags: readonly boolean[]): Buffer {
  const last = flags.lastIndexOf(true);
  const buffer = Buffer.alloc(Math.ceil((last + 1) / 8));
  for (const [index, flag] of flags.entries()) {
    if (flag) buffer[index >> 3] = (buffer[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return buffer;
}

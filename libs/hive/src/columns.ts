// The hot path: pages of 10,000 rows. Values are read where they lie in the page, column by column,
// and nothing is made per row.
import type { HiveColumn, HiveValues, HiveValueType } from "./api.ts";
import { HiveProtocolError } from "./errors.ts";
import {
  isList,
  isMap,
  isStruct,
  structsOf,
  textOf,
  ttype,
  type Decoded,
  type ListView,
  type Struct,
} from "./thrift.ts";

/** TTypeId by its number: Hive's name, and how the values are held. */
const TYPES: readonly (readonly [engineType: string, type: HiveValueType])[] = [
  ["boolean", "bool"],
  ["tinyint", "int64"],
  ["smallint", "int64"],
  ["int", "int64"],
  ["bigint", "int64"],
  ["float", "double"],
  ["double", "double"],
  ["string", "string"],
  ["timestamp", "timestamp"],
  ["binary", "bytes"],
  ["array", "string"],
  ["map", "string"],
  ["struct", "string"],
  ["uniontype", "string"],
  ["user_defined", "string"],
  ["decimal", "decimal"],
  ["void", "string"],
  ["date", "date"],
  ["varchar", "string"],
  ["char", "string"],
  ["interval_year_month", "string"],
  ["interval_day_time", "string"],
  ["timestamp with local time zone", "timestamp"],
];

/** What the lists of TColumn hold, by the id of the member. */
const ELEMENT_TYPES: readonly (number | undefined)[] = [
  undefined,
  ttype.bool,
  ttype.byte,
  ttype.i16,
  ttype.i32,
  ttype.i64,
  ttype.double,
  ttype.string,
  ttype.string,
];

/** The columns of a TTableSchema. */
export function columnsOf(schema: Decoded | undefined): HiveColumn[] {
  const list = isStruct(schema) ? schema[1] : undefined;
  if (!isList(list)) throw new HiveProtocolError("HiveServer2 describes a result without columns");
  return structsOf(list).map((column) => {
    const entries = isStruct(column[2]) ? column[2][1] : undefined;
    const [entry] = isList(entries) ? structsOf(entries) : [];
    const primitive = isStruct(entry?.[1]) ? entry[1] : undefined;
    const [name, type] = TYPES[Number(primitive?.[1])] ?? ["unknown", "string"];
    const qualifiers = isStruct(primitive?.[2]) ? primitive[2][1] : undefined;
    return { name: textOf(column[1]) ?? "", engineType: name + qualified(qualifiers), type };
  });
}

/** `(10,2)` of a decimal, `(20)` of a varchar, or nothing. */
function qualified(qualifiers: Decoded | undefined): string {
  if (!isMap(qualifiers)) return "";
  const number = (name: string) => {
    const value = qualifiers.get(name);
    return isStruct(value) ? value[1] : undefined;
  };
  const [precision, scale] = [number("precision"), number("scale")];
  const length = number("characterMaximumLength");
  if (typeof precision === "number") return `(${precision},${Number(scale ?? 0)})`;
  return typeof length === "number" ? `(${length})` : "";
}

/** Decodes the columns of a TRowSet. */
export function batchOf(rowSet: Decoded | undefined, columns: readonly HiveColumn[]) {
  const list = isStruct(rowSet) ? rowSet[3] : undefined;
  if (!isList(list)) {
    throw new HiveProtocolError(
      "HiveServer2 sends rows in a form that was not agreed on; is " +
        "hive.server2.thrift.resultset.serialize.in.tasks set?",
    );
  }
  const fields = structsOf(list);
  if (fields.length !== columns.length) {
    throw new HiveProtocolError(
      `HiveServer2 sends ${fields.length} columns after describing ${columns.length}`,
    );
  }
  const decoded = columns.map((column, index) => valuesOf(column, fields[index] ?? {}));
  const rowCount = decoded[0]?.values.length ?? 0;
  if (decoded.some(({ values }) => values.length !== rowCount)) {
    throw new HiveProtocolError("HiveServer2 sends columns of different lengths");
  }
  return { rowCount, columns: decoded };
}

/** One TColumn: a union of eight lists, of which one is set. */
function valuesOf(column: HiveColumn, field: Struct): HiveValues {
  for (const [member, elementType] of ELEMENT_TYPES.entries()) {
    const value = field[member];
    const view = isStruct(value) ? value[1] : undefined;
    if (!isStruct(value) || !isList(view) || view.elementType !== elementType) continue;
    const nullRows = nullRowsOf(value[2], view.count);
    const values = listOf(column.type, member, view, nullRows);
    if (values) return values;
  }
  throw new HiveProtocolError(
    `HiveServer2 sends values for column ${column.name} that are no ${column.engineType}`,
  );
}

function listOf(
  type: HiveValueType,
  member: number,
  view: ListView,
  nullRows: number[],
): HiveValues | undefined {
  switch (type) {
    case "bool":
      return member === 1 ? { list: "bools", values: bools(view), nullRows } : undefined;
    case "int64":
      return member >= 2 && member <= 5
        ? { list: "int64s", values: int64s(view), nullRows }
        : undefined;
    case "double":
      return member === 6 ? { list: "doubles", values: doubles(view), nullRows } : undefined;
    case "bytes":
      return member >= 7 ? { list: "bytes", values: buffers(view), nullRows } : undefined;
    case "decimal":
    case "string":
    case "timestamp":
    case "date":
      return member === 7 ? { list: "strings", values: texts(view), nullRows } : undefined;
  }
}

/** One bit a row, lowest first; bytes of zeros at the end may be missing. */
function nullRowsOf(bitmap: Decoded | undefined, count: number): number[] {
  const rows: number[] = [];
  if (!Buffer.isBuffer(bitmap)) return rows;
  for (let index = 0; index < bitmap.length; index++) {
    const byte = bitmap[index] ?? 0;
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) {
      const row = index * 8 + bit;
      if ((byte >> bit) & 1 && row < count) rows.push(row);
    }
  }
  return rows;
}

function bools({ buffer, start, count }: ListView): boolean[] {
  const values = new Array<boolean>(count);
  for (let index = 0; index < count; index++) values[index] = buffer[start + index] !== 0;
  return values;
}

function int64s({ buffer, start, count, elementType }: ListView): bigint[] {
  const values = new Array<bigint>(count);
  for (let index = 0; index < count; index++) {
    if (elementType === ttype.i64) values[index] = buffer.readBigInt64BE(start + index * 8);
    else if (elementType === ttype.i32)
      values[index] = BigInt(buffer.readInt32BE(start + index * 4));
    else if (elementType === ttype.i16)
      values[index] = BigInt(buffer.readInt16BE(start + index * 2));
    else values[index] = BigInt(buffer.readInt8(start + index));
  }
  return values;
}

function doubles({ buffer, start, count }: ListView): number[] {
  const values = new Array<number>(count);
  for (let index = 0; index < count; index++)
    values[index] = buffer.readDoubleBE(start + index * 8);
  return values;
}

function texts({ buffer, start, count }: ListView): string[] {
  const values = new Array<string>(count);
  let at = start;
  for (let index = 0; index < count; index++) {
    const end = at + 4 + buffer.readInt32BE(at);
    values[index] = buffer.toString("utf8", at + 4, end);
    at = end;
  }
  return values;
}

function buffers({ buffer, start, count }: ListView): Buffer[] {
  const values = new Array<Buffer>(count);
  let at = start;
  for (let index = 0; index < count; index++) {
    const end = at + 4 + buffer.readInt32BE(at);
    values[index] = buffer.subarray(at + 4, end);
    at = end;
  }
  return values;
}

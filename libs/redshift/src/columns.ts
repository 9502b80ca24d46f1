import type { RedshiftBatch, RedshiftColumn, RedshiftValues, RedshiftValueType } from "./api.ts";
import { RedshiftRequestError } from "./errors.ts";

/** A value as GetStatementResult has it; integers beyond 2^53 come as their digits. */
export interface Field {
  readonly isNull?: boolean;
  readonly booleanValue?: boolean;
  readonly longValue?: number | string;
  readonly doubleValue?: number | string;
  readonly stringValue?: string;
  /** Base64. */
  readonly blobValue?: string;
}

/** What is used of a column's description. */
export interface ColumnMetadata {
  readonly name?: string;
  readonly label?: string;
  readonly typeName?: string;
  readonly precision?: number;
  readonly scale?: number;
  readonly length?: number;
}

// By Redshift's names of its types; what is not here travels as text.
const TYPES: Readonly<Record<string, RedshiftValueType>> = {
  bool: "bool",
  int2: "int64",
  int4: "int64",
  int8: "int64",
  oid: "int64",
  float4: "double",
  float8: "double",
  numeric: "decimal",
  timestamp: "timestamp",
  timestamptz: "timestamp",
  date: "date",
  varbyte: "bytes",
};

export function columnOf(metadata: ColumnMetadata): RedshiftColumn {
  const typeName = (metadata.typeName ?? "").toLowerCase();
  return {
    name: metadata.label ?? metadata.name ?? "",
    engineType: typeName + qualifiers(typeName, metadata),
    type: TYPES[typeName] ?? "string",
  };
}

function qualifiers(typeName: string, { precision = 0, scale = 0, length = 0 }: ColumnMetadata) {
  if (typeName === "numeric" && precision > 0) return `(${precision},${scale})`;
  if ((typeName === "varchar" || typeName === "bpchar") && length > 0) return `(${length})`;
  return "";
}

/** Turns rows of fields into columns of values. @throws RedshiftRequestError at a foreign value */
export function batchOf(
  columns: readonly RedshiftColumn[],
  rows: readonly (readonly Field[])[],
): RedshiftBatch {
  return {
    rowCount: rows.length,
    columns: columns.map((column, index) => valuesOf(column, rows, index)),
  };
}

type Rows = readonly (readonly Field[])[];

function valuesOf(column: RedshiftColumn, rows: Rows, index: number): RedshiftValues {
  switch (column.type) {
    case "bool":
      return { list: "bools", ...collect(column, rows, index, false, boolOf) };
    case "int64":
      return { list: "int64s", ...collect(column, rows, index, 0n, longOf) };
    case "double":
      return { list: "doubles", ...collect(column, rows, index, 0, doubleOf) };
    case "bytes":
      return { list: "bytes", ...collect(column, rows, index, Buffer.alloc(0), bytesOf) };
    case "decimal":
    case "string":
    case "timestamp":
    case "date":
      return { list: "strings", ...collect(column, rows, index, "", textOf) };
  }
}

function collect<T>(
  column: RedshiftColumn,
  rows: Rows,
  index: number,
  zero: T,
  read: (field: Field) => T | undefined,
): { values: T[]; nullRows: number[] } {
  const values: T[] = [];
  const nullRows: number[] = [];
  for (let row = 0; row < rows.length; row += 1) {
    const field = rows[row]?.[index];
    if (field?.isNull === true) {
      nullRows.push(row);
      values.push(zero);
      continue;
    }
    const value = field && read(field);
    if (value === undefined) throw foreign(column, field);
    values.push(value);
  }
  return { values, nullRows };
}

function boolOf(field: Field): boolean | undefined {
  return field.booleanValue;
}

function longOf(field: Field): bigint | undefined {
  return field.longValue === undefined ? undefined : BigInt(field.longValue);
}

/** NaN and the infinities are texts in AWS JSON. */
function doubleOf(field: Field): number | undefined {
  return field.doubleValue === undefined ? undefined : Number(field.doubleValue);
}

function textOf({ stringValue, longValue, doubleValue, booleanValue }: Field): string | undefined {
  return stringValue ?? (longValue ?? doubleValue ?? booleanValue)?.toString();
}

/** VARBYTE comes as hexadecimal text. */
function bytesOf({ stringValue, blobValue }: Field): Buffer | undefined {
  if (blobValue !== undefined) return Buffer.from(blobValue, "base64");
  return stringValue === undefined ? undefined : Buffer.from(stringValue, "hex");
}

function foreign(column: RedshiftColumn, field: Field | undefined): RedshiftRequestError {
  return new RedshiftRequestError(
    `column ${column.name} of type ${column.engineType} came as ${JSON.stringify(field)}: ` +
      "is what answers the Redshift Data API?",
  );
}

import { unknownHere } from "../sql/refused.ts";

/** A column as GetStatementResult describes it. */
export interface ColumnMetadata {
  readonly isCaseSensitive: boolean;
  readonly isCurrency: boolean;
  readonly isSigned: boolean;
  readonly label: string;
  readonly length: number;
  readonly name: string;
  readonly nullable: number;
  readonly precision: number;
  readonly scale: number;
  readonly schemaName: string;
  readonly tableName: string;
  readonly typeName: string;
}

export interface RowField {
  readonly name: string;
  readonly dataTypeID: number;
  readonly dataTypeModifier: number;
}

type Member = "longValue" | "doubleValue" | "booleanValue" | "stringValue";

// PostgreSQL type oid: Redshift's name, the member of the Field union, precision.
const TYPES: Readonly<Record<number, readonly [name: string, member: Member, precision: number]>> =
  {
    16: ["bool", "booleanValue", 1],
    17: ["varbyte", "stringValue", 0],
    20: ["int8", "longValue", 19],
    21: ["int2", "longValue", 5],
    23: ["int4", "longValue", 10],
    26: ["oid", "longValue", 10],
    700: ["float4", "doubleValue", 8],
    701: ["float8", "doubleValue", 17],
    19: ["varchar", "stringValue", 0],
    25: ["varchar", "stringValue", 0],
    705: ["varchar", "stringValue", 0],
    1042: ["bpchar", "stringValue", 0],
    1043: ["varchar", "stringValue", 0],
    1082: ["date", "stringValue", 13],
    1083: ["time", "stringValue", 15],
    1114: ["timestamp", "stringValue", 29],
    1184: ["timestamptz", "stringValue", 35],
    1700: ["numeric", "stringValue", 18],
  };
const NUMERIC = 1700;
const SIGNED = new Set(["int2", "int4", "int8", "float4", "float8", "numeric"]);
const NOT_A_TYPE: readonly [string, Member, number] = ["varchar", "stringValue", 0];

/** @throws SqlRefused for a value that prints otherwise in Redshift, or that has no type there */
export function describeColumn(field: RowField): ColumnMetadata {
  const known = TYPES[field.dataTypeID];
  if (!known) throw unknownHere(`the type of the result column ${JSON.stringify(field.name)}`);
  const [typeName, , fixed] = known;
  const modifier = field.dataTypeModifier;
  const sized = modifier >= 4 && (typeName === "varchar" || typeName === "bpchar");
  const numeric = typeName === "numeric" && modifier >= 4;
  const length = sized ? modifier - 4 : 0;
  return {
    isCaseSensitive: typeName === "varchar" || typeName === "bpchar",
    isCurrency: false,
    isSigned: SIGNED.has(typeName),
    label: field.name,
    length,
    name: field.name,
    nullable: 1,
    precision: numeric ? (modifier - 4) >> 16 : sized ? length : fixed,
    scale: numeric ? (modifier - 4) & 0xffff : 0,
    schemaName: "",
    tableName: "",
    typeName,
  };
}

/**
 * One row as the JSON text of Field unions. Numbers are copied digit by digit from PostgreSQL's
 * text, so that int64 never passes through a double.
 */
export function encodeRow(fields: readonly RowField[], values: readonly (string | null)[]): string {
  let text = "[";
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ",";
    text += encodeValue(fields[index]?.dataTypeID ?? 0, values[index] ?? null);
  }
  return `${text}]`;
}

function encodeValue(oid: number, value: string | null): string {
  if (value === null) return '{"isNull":true}';
  const [, member] = TYPES[oid] ?? NOT_A_TYPE;
  switch (member) {
    case "longValue":
      return `{"longValue":${value}}`;
    case "doubleValue":
      // NaN and the infinities are strings in AWS JSON.
      return `{"doubleValue":${Number.isFinite(Number(value)) ? value : JSON.stringify(value)}}`;
    case "booleanValue":
      return `{"booleanValue":${value === "t"}}`;
    case "stringValue":
      return `{"stringValue":${JSON.stringify(oid === 17 ? value.replace(/^\\x/, "") : value)}}`;
  }
}

/**
 * A DECIMAL of Redshift has one number of digits behind the point in all rows; PostgreSQL keeps that
 * of each value where the type of the column has none, as in `SELECT 1 UNION ALL SELECT 1.5`.
 *
 * @throws SqlRefused
 */
export function refuseMixedScales(
  fields: readonly RowField[],
  rows: readonly (readonly (string | null)[])[],
): void {
  for (const [index, { dataTypeID, dataTypeModifier, name }] of fields.entries()) {
    if (dataTypeID !== NUMERIC || dataTypeModifier >= 4) continue;
    const values = rows.flatMap((row) => row[index] ?? []);
    if (new Set(values.map((value) => value.split(".")[1]?.length ?? 0)).size > 1) {
      throw unknownHere(`the result column ${JSON.stringify(name)} of decimals of several scales`);
    }
  }
}

import { LogCorruptError } from "./errors.ts";

// Members of JSON objects that others wrote: each is what it must be, or the error says where it is not.

export type Members = Readonly<Record<string, unknown>>;

const DECIMAL = /^(?:0|[1-9]\d{0,18})$/;
const OFFSET_MAX = 9_223_372_036_854_775_807n;

export function corrupt(where: string, what: string, cause?: unknown): LogCorruptError {
  const message = `${where}: ${what}. Check who else writes to the table's folder; compare docs/landing-log.md`;
  return new LogCorruptError(message, cause === undefined ? {} : { cause });
}

export function parseObject(text: string, where: string): Members {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt(where, "is no JSON", error);
  }
  return asMembers(value, where);
}

export function asMembers(value: unknown, where: string): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw corrupt(where, "is no JSON object");
}

export function textIn(from: Members, name: string, where: string): string {
  const value = from[name];
  if (typeof value === "string" && value !== "") return value;
  throw corrupt(where, `"${name}" is not a text`);
}

/** May be empty. */
export function proseIn(from: Members, name: string, where: string): string {
  const value = from[name];
  if (typeof value === "string") return value;
  throw corrupt(where, `"${name}" is not a text`);
}

export function hexIn(from: Members, name: string, length: number, where: string): string {
  const value = from[name];
  if (typeof value === "string" && value.length === length && /^[0-9a-f]*$/.test(value)) {
    return value;
  }
  throw corrupt(where, `"${name}" is not ${length} hexadecimal digits`);
}

/** A whole number from 0 to 2^53. */
export function countIn(from: Members, name: string, where: string): number {
  return asCount(from[name], `"${name}"`, where);
}

export function asCount(value: unknown, what: string, where: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw corrupt(where, `${what} is not a whole number from 0 to 2^53`);
}

/** Decimal text of 64 bits. */
export function offsetIn(from: Members, name: string, where: string): bigint {
  return asOffset(from[name], `"${name}"`, where);
}

export function asOffset(value: unknown, what: string, where: string): bigint {
  if (typeof value === "string" && DECIMAL.test(value)) {
    const offset = BigInt(value);
    if (offset <= OFFSET_MAX) return offset;
  }
  throw corrupt(where, `${what} is not a decimal text of 64 bits`);
}

/** Decimal text of any length. */
export function sumIn(from: Members, name: string, where: string): bigint {
  const value = from[name];
  if (typeof value === "string" && /^\d{1,40}$/.test(value)) return BigInt(value);
  throw corrupt(where, `"${name}" is not a decimal text`);
}

export function listIn(from: Members, name: string, where: string): readonly unknown[] {
  return asList(from[name], `"${name}"`, where);
}

export function asList(value: unknown, what: string, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw corrupt(where, `${what} is not a list`);
}

export function textsIn(from: Members, name: string, where: string): readonly string[] {
  const list = listIn(from, name, where);
  if (list.every((item) => typeof item === "string")) return list;
  throw corrupt(where, `"${name}" is not a list of texts`);
}

/** One of some words. */
export function wordIn<W extends string>(
  from: Members,
  name: string,
  words: readonly W[],
  where: string,
): W {
  const value = from[name];
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  throw corrupt(where, `"${name}" is none of ${words.join(", ")}`);
}

/** A parsed JSON object whose members nobody has checked. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * What a reading has met. JSON.parse rounds integers over 2^53; a reader that needs such a number
 * notes it here, and the value is read again by parseExactly, which gives it as a bigint.
 */
export interface Met {
  roundedInteger: boolean;
}

export function objectOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function flagOf(value: unknown): boolean | null {
  return typeof value === "boolean" ? value : null;
}

const LONG_MAX = 2n ** 63n - 1n;

/**
 * A count that is exact and fits into 64 bits: anything else is unknown rather than wrong. Personal
 * archives write counts as text.
 */
export function countOf(met: Met, value: unknown): bigint | null {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return BigInt(value);
    noteRounding(met, value);
    return null;
  }
  if (typeof value === "bigint") return value <= LONG_MAX && value >= -LONG_MAX ? value : null;
  return typeof value === "string" && /^\d{1,18}$/.test(value) ? BigInt(value) : null;
}

/**
 * An id from its text form or else from its number: a whole number that is not negative. X's API
 * v1.1 gives both, `id_str` and `id`; v2 and archives give text alone.
 */
export function idOf(met: Met, text: unknown, number: unknown = text): string | null {
  if (typeof text === "string" && text !== "") return text;
  if (typeof number === "string" && number !== "") return number;
  if (typeof number === "bigint") return number >= 0n ? String(number) : null;
  if (typeof number !== "number") return null;
  if (Number.isSafeInteger(number)) return number >= 0 ? String(number) : null;
  noteRounding(met, number);
  return null;
}

function noteRounding(met: Met, value: number): void {
  if (Number.isInteger(value)) met.roundedInteger = true;
}

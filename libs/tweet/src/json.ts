/** A parsed JSON object whose members nobody has checked. */
export type Json = Readonly<Record<string, unknown>>;

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

/** A count that is exact: anything else is unknown rather than wrong. */
export function countOf(value: unknown): bigint | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : null;
}

/**
 * An id from its text form, or from its number where that is exact. Numbers over 2^53 arrive here
 * as text: see parseExactly.
 */
export function idOf(text: unknown, number?: unknown): string | null {
  if (typeof text === "string" && text !== "") return text;
  if (typeof number === "string" && number !== "") return number;
  return typeof number === "number" && Number.isSafeInteger(number) ? String(number) : null;
}

/**
 * JSON.parse that keeps integers over 2^53 as the text of their digits. The reviver makes it
 * several times slower, so it is for the few posts that have no text form of their id.
 */
export function parseExactly(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    const inexact = typeof value === "number" && !Number.isSafeInteger(value);
    return inexact && source !== undefined && /^-?\d+$/.test(source) ? source : value;
  };
  return JSON.parse(text, reviver) as unknown;
}

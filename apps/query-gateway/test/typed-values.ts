import { columns } from "@hybridge/tweet";

/** Timestamps are text, as both dialects write them. */
export type Value = string | number | bigint | boolean | null;

/** What text may hold; NUL and halves of characters never come into a typed column. */
const TEXTS: readonly (string | null)[] = [
  null,
  "",
  "-",
  " trailing ",
  'it\'s \\ a "${env:HOME}" -- /* ; %_ \\u0041 \\n',
  "tab\tline\nreturn\r\u0001\u007f\u0085\ufffd",
  "\u{1f600}\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u05d0\u202e \u00e9 e\u0301 \u4e2d\u6587",
];

// Among them: an hour that New York has not, one that it has twice, and times before 1970.
const TIMES = [
  null,
  "2026-03-08 02:30:00",
  "2026-03-08 02:30:00.12",
  "2026-11-01 01:30:00.999",
  "1969-12-31 23:59:59.999",
  "1900-01-01 00:00:00",
  "2199-12-31 23:59:59.001",
];

const LONGS = [null, 0n, -1n, 9007199254740993n, 9223372036854775807n, 42n];
const BOOLEANS = [null, true, false];

/** Values of every column, different ones for every index, with the odd ones of each kind. */
export function valuesOf(index: number): Record<string, Value> {
  return Object.fromEntries(
    columns.map(({ name, kind, nullable }, at) => [
      name,
      valueOf(name, kind, nullable, index + at),
    ]),
  );
}

function valueOf(name: string, kind: string, isNullable: boolean, seed: number): Value {
  const pick = <T>(list: readonly T[]): T | undefined => {
    const from = isNullable ? list : list.slice(1);
    return from[seed % from.length];
  };
  switch (kind) {
    case "boolean":
      return pick(BOOLEANS) ?? null;
    case "timestamp":
      return pick(TIMES) ?? null;
    case "text":
      // The longest text there is: MD5 must take it, and what is made of it must fit.
      if (name === "text" && seed % 41 === 0) return "\u{1f600}".repeat(16_383);
      return pick(TEXTS)?.slice(0, 30) ?? null;
    default:
      return pick(LONGS) ?? null;
  }
}

import type { Coordinates, TweetRecord } from "../src/index.ts";

/** Where the records of these tests stand. */
export const landing: Coordinates = {
  topic: "hybrid",
  partition: 3,
  landedAtMs: 1_800_000_000_000,
};

/** 2026-11-23T09:00:00Z */
export const recordedAtMs = Date.UTC(2026, 10, 23, 9);

/** A record with this value and these headers. */
export function recordOf(
  value: string | Buffer | null,
  headers: Readonly<Record<string, string>> = {},
): TweetRecord {
  return {
    offset: 42n,
    timestampMs: recordedAtMs,
    key: null,
    value: typeof value === "string" ? Buffer.from(value) : value,
    headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const),
  };
}

import type { RecordHeaders, RecordToSend } from "../api.ts";

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Records of every shape that Kafka allows: null and empty keys and values, repeated header names
 * in any order, null header values, long and binary content, times that go back and forth.
 */
export function randomRecords(random: Random, count: number, atMs = Date.now()): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({
    key: maybe(random, () => Buffer.from(`key-${Math.floor(random() * 1e6)}`)),
    value: maybe(random, () => randomBytes(random, Math.floor(random() ** 4 * 4_000))),
    headers: randomHeaders(random),
    timestampMs: atMs + index - Math.floor(random() * 1000),
  }));
}

function maybe(random: Random, make: () => Buffer): Buffer | null {
  const dice = random();
  if (dice < 0.08) return null;
  return dice < 0.12 ? Buffer.alloc(0) : make();
}

function randomHeaders(random: Random): RecordHeaders {
  const names = ["traceparent", "hybridge-source", "a", "a", "B", "ключ"];
  return Array.from({ length: Math.floor(random() * 4) }, () => [
    names[Math.floor(random() * names.length)] ?? "x",
    maybe(random, () => randomBytes(random, 12)),
  ]);
}

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  // Half of it repeats, so that compression has something to do.
  for (let at = 0; at < length; at++) {
    bytes[at] = at % 64 < 32 ? at % 251 : Math.floor(random() * 256);
  }
  return bytes;
}

import { LedgerCorruptError } from "./errors.ts";
import type { Cut, DeadLetter, LandedFile, LedgerEntry, TopicPartition } from "./ports.ts";

/** Where things lie below the root of a store. `_` hides folders from Hive and its kin. */
export const TABLE_FOLDER = "tweets";

/** The folder of a partition's ledger. */
export function ledgerFolder({ topic, partition }: TopicPartition): string {
  return `_ledger/${topic}/${partition}`;
}

/** The name of a partition's dead letters of one segment. */
export function deadLetterName(cut: Cut): string {
  return `_dead-letters/${cut.topic}/${cut.partition}/${padded(cut.first)}-${padded(cut.last)}.ndjson`;
}

/** Nineteen digits hold any offset, and order names as numbers. */
export function padded(offset: bigint): string {
  return String(offset).padStart(19, "0");
}

/** `<topic>-<partition>-<first>-<last>-<schema>.<extension>`: the identity of a segment's file. */
export function segmentFileName(cut: Cut, extension: string): string {
  return `${cut.topic}-${cut.partition}-${cut.first}-${cut.last}-${cut.schema}.${extension}`;
}

export function encodeCut(cut: Cut): Buffer {
  return Buffer.from(`${JSON.stringify(plainCut(cut))}\n`);
}

export function decodeCut(bytes: Buffer, name: string): Cut {
  return cutOf(parse(bytes, name), name);
}

export function encodeEntry(entry: LedgerEntry): Buffer {
  const files = entry.files.map((file) => ({
    name: file.name,
    location: file.location,
    dt: file.dt,
    hr: file.hr,
    rows: file.rows,
    bytes: file.bytes,
    sha256: file.sha256,
  }));
  const plain = {
    cut: plainCut(entry.cut),
    files,
    rows: entry.rows,
    deadLetters: entry.deadLetters,
  };
  return Buffer.from(`${JSON.stringify(plain)}\n`);
}

export function decodeEntry(bytes: Buffer, name: string): LedgerEntry {
  const plain = parse(bytes, name);
  const { files, rows, deadLetters } = plain;
  if (!Array.isArray(files) || typeof rows !== "number" || typeof deadLetters !== "number") {
    throw corrupt(name, "files, rows or deadLetters is missing");
  }
  const cut = cutOf(plain["cut"] as Record<string, unknown>, name);
  return { cut, files: files as LandedFile[], rows, deadLetters };
}

/** One JSON object per line; bytes as base64, since they are what could not be read. */
export function encodeDeadLetters(letters: readonly DeadLetter[]): Buffer {
  const lines = letters.map((letter) =>
    JSON.stringify({
      topic: letter.topic,
      partition: letter.partition,
      offset: String(letter.offset),
      reason: letter.reason,
      key: letter.key?.toString("base64") ?? null,
      value: letter.value?.toString("base64") ?? null,
      headers: letter.headers.map(([name, value]) => [name, value?.toString("base64") ?? null]),
    }),
  );
  return Buffer.from(`${lines.join("\n")}\n`);
}

/** A partition's ledger begins once; who is second with another offset is fenced. */
export function encodeBegin(first: bigint): Buffer {
  return Buffer.from(`${JSON.stringify({ first: String(first) })}\n`);
}

export function decodeBegin(bytes: Buffer, name: string): bigint {
  return offsetOf(parse(bytes, name)["first"], name);
}

function plainCut(cut: Cut) {
  return {
    topic: cut.topic,
    partition: cut.partition,
    first: String(cut.first),
    last: String(cut.last),
    decidedAtMs: cut.decidedAtMs,
    schema: cut.schema,
  };
}

function cutOf(plain: Record<string, unknown> | undefined, name: string): Cut {
  const { topic, partition, decidedAtMs, schema } = plain ?? {};
  if (
    typeof topic !== "string" ||
    typeof partition !== "number" ||
    typeof decidedAtMs !== "number" ||
    typeof schema !== "string"
  ) {
    throw corrupt(name, "a field of the cut is missing");
  }
  const first = offsetOf(plain?.["first"], name);
  const last = offsetOf(plain?.["last"], name);
  return { topic, partition, first, last, decidedAtMs, schema };
}

function offsetOf(value: unknown, name: string): bigint {
  if (typeof value !== "string" || !/^\d{1,19}$/.test(value)) {
    throw corrupt(name, `${JSON.stringify(value)} is no offset`);
  }
  return BigInt(value);
}

function parse(bytes: Buffer, name: string): Record<string, unknown> {
  try {
    const plain: unknown = JSON.parse(bytes.toString());
    if (typeof plain === "object" && plain !== null) return plain as Record<string, unknown>;
  } catch (cause) {
    throw new LedgerCorruptError(describe(name, "it is not JSON"), { cause });
  }
  throw corrupt(name, "it is not a JSON object");
}

function corrupt(name: string, problem: string): LedgerCorruptError {
  return new LedgerCorruptError(describe(name, problem));
}

function describe(name: string, problem: string): string {
  return `cannot read the landing ledger at ${name}: ${problem}. Was it edited by hand?`;
}

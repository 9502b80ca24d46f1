import { LedgerCorruptError } from "../errors.ts";
import type { TableStore } from "../store-port.ts";

/** The ledger of version 0 of one partition: `_ledger/<topic>/<partition>/` beside the table's folder. */
export interface FormerPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A file as version 0 named it; `name` is relative to the table's folder. */
export interface FormerFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A finished segment; offsets are inclusive. */
export interface FormerSegment {
  readonly first: bigint;
  readonly last: bigint;
  readonly rows: number;
  readonly deadLetters: number;
  readonly files: readonly FormerFile[];
}

/** What a name of the ledger says. */
export type FormerEntry =
  | { readonly kind: "begin"; readonly first: bigint }
  | { readonly kind: "cut"; readonly first: bigint; readonly last: bigint }
  | { readonly kind: "done"; readonly segment: FormerSegment }
  /** A log has taken the partition over at this offset. */
  | { readonly kind: "taken"; readonly at: bigint; readonly log: string };

export const BEGIN = "0-begin";

export function ledgerFolder({ topic, partition }: FormerPartition): string {
  return `_ledger/${topic}/${partition}`;
}

/** Nineteen digits hold any offset, and order names as numbers. */
export function padded(offset: bigint): string {
  return String(offset).padStart(19, "0");
}

export function encodeTaken(log: string): Buffer {
  return Buffer.from(`${JSON.stringify({ takenOver: log })}\n`);
}

/** Reads one name of a ledger. @throws LedgerCorruptError */
export function decodeEntry(name: string, bytes: Buffer, path: string): FormerEntry {
  const plain = parse(bytes, path);
  const taken = plain["takenOver"];
  if (typeof taken === "string") {
    return { kind: "taken", at: offsetOf(/^\d+/.exec(name)?.[0], path), log: taken };
  }
  if (name === BEGIN) return { kind: "begin", first: offsetOf(plain["first"], path) };
  if (name.endsWith(".cut")) {
    return {
      kind: "cut",
      first: offsetOf(plain["first"], path),
      last: offsetOf(plain["last"], path),
    };
  }
  return { kind: "done", segment: segmentOf(plain, path) };
}

/** The last name in a folder; undefined when there is none. */
export async function lastName(
  store: Pick<TableStore, "list">,
  folder: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let page = await store.list(folder, "", signal);
  let last = page.names.at(-1);
  let high = 10n ** 19n;
  // Names are numbers that only grow: the end is searched by halving, not by reading every page.
  while (page.more && last !== undefined) {
    const low = BigInt(/^\d+/.exec(last)?.[0] ?? 0);
    const middle = low + (high - low) / 2n;
    // Close together: walk page by page, each of which moves `last`.
    const after = high - low < 4n ? last : padded(middle);
    page = await store.list(folder, after, signal);
    const found = page.names.at(-1);
    if (found !== undefined) last = found;
    else if (after !== last) {
      high = middle;
      page = { names: [], more: true };
    }
  }
  return last;
}

function segmentOf(plain: Record<string, unknown>, path: string): FormerSegment {
  const { cut, files, rows, deadLetters } = plain;
  if (
    typeof cut !== "object" ||
    cut === null ||
    !Array.isArray(files) ||
    typeof rows !== "number" ||
    typeof deadLetters !== "number"
  ) {
    throw corrupt(path, "cut, files, rows or deadLetters is missing");
  }
  const { first, last } = cut as Record<string, unknown>;
  return {
    first: offsetOf(first, path),
    last: offsetOf(last, path),
    rows,
    deadLetters,
    files: files.map((file) => fileOf(file, path)),
  };
}

function fileOf(file: unknown, path: string): FormerFile {
  const { name, rows, bytes, sha256 } = (file ?? {}) as Record<string, unknown>;
  if (
    typeof name !== "string" ||
    typeof rows !== "number" ||
    typeof bytes !== "number" ||
    typeof sha256 !== "string"
  ) {
    throw corrupt(path, "a file of it is incomplete");
  }
  return { name, rows, bytes, sha256 };
}

function offsetOf(value: unknown, path: string): bigint {
  if (typeof value === "string" && /^\d{1,19}$/.test(value)) return BigInt(value);
  throw corrupt(path, `${JSON.stringify(value)} is no offset`);
}

function parse(bytes: Buffer, path: string): Record<string, unknown> {
  try {
    const plain: unknown = JSON.parse(bytes.toString());
    if (typeof plain === "object" && plain !== null) return plain as Record<string, unknown>;
  } catch (cause) {
    throw new LedgerCorruptError(describe(path, "it is not JSON"), { cause });
  }
  throw corrupt(path, "it is not a JSON object");
}

function corrupt(path: string, problem: string): LedgerCorruptError {
  return new LedgerCorruptError(describe(path, problem));
}

function describe(path: string, problem: string): string {
  return `cannot read the former landing ledger at ${path}: ${problem}. Was it edited by hand?`;
}

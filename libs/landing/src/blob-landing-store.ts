import { FencedError, LedgerCorruptError } from "./errors.ts";
import { lastName } from "./former/ledger.ts";
import {
  deadLetterName,
  decodeBegin,
  decodeCut,
  decodeEntry,
  encodeBegin,
  encodeCut,
  encodeDeadLetters,
  encodeEntry,
  ledgerFolder,
  padded,
  TABLE_FOLDER,
} from "./ledger.ts";
import type {
  BlobStore,
  Cut,
  DeadLetter,
  EncodedFile,
  LandedFile,
  LandingStore,
  LedgerEntry,
  LedgerState,
  TopicPartition,
} from "./ports.ts";

const BEGIN = "0-begin";

/**
 * A LandingStore over the few operations of a BlobStore, so that ledger and fencing are written
 * once. Layout below the root:
 *
 *     tweets/dt=.../hr=.../<file>                   data
 *     _ledger/<topic>/<partition>/0-begin           where the first cut began
 *     _ledger/<topic>/<partition>/<first>.cut       decided
 *     _ledger/<topic>/<partition>/<first>.done      finished: position = last + 1
 *     _dead-letters/<topic>/<partition>/<first>-<last>.ndjson
 *
 * The fence: cuts form a chain (each begins where the one before ended, the first at `0-begin`),
 * and every link is created only if it is not there. A second owner that decides anything else
 * finds the link taken.
 */
export function landingStoreOver(blobs: BlobStore): LandingStore {
  const put = (name: string, bytes: Buffer, what: string, signal: AbortSignal) =>
    putOnce(blobs, name, bytes, what, signal);
  // Ledgers that this process has seen with a beginning; the rest begin with their first cut.
  const begun = new Set<string>();
  return {
    scheme: blobs.scheme,
    async readLedger(partition, signal) {
      const state = await readLedger(blobs, partition, signal);
      if (state.position !== undefined) begun.add(ledgerFolder(partition));
      return state;
    },
    listEntries: (partition, from, signal) => listEntries(blobs, partition, from, signal),
    async writeCut(cut, signal) {
      const folder = ledgerFolder(cut);
      if (!begun.has(folder)) {
        const what = `first cut, ${describeCut(cut)}`;
        await put(`${folder}/${BEGIN}`, encodeBegin(cut.first), what, signal);
        begun.add(folder);
      }
      await put(`${folder}/${padded(cut.first)}.cut`, encodeCut(cut), describeCut(cut), signal);
    },
    publish: (file, signal) => publish(blobs, file, signal),
    async publishDeadLetters(cut: Cut, letters: readonly DeadLetter[], signal) {
      if (letters.length === 0) return;
      const what = `dead letters of ${describeCut(cut)}`;
      await put(deadLetterName(cut), encodeDeadLetters(letters), what, signal);
    },
    async commit(entry, signal) {
      const name = `${ledgerFolder(entry.cut)}/${padded(entry.cut.first)}.done`;
      await put(name, encodeEntry(entry), `commit of ${describeCut(entry.cut)}`, signal);
    },
  };
}

async function readLedger(
  blobs: BlobStore,
  partition: TopicPartition,
  signal: AbortSignal,
): Promise<LedgerState> {
  const folder = ledgerFolder(partition);
  const last = await lastName(blobs, folder, signal);
  if (last === undefined) return { position: undefined, openCut: undefined };
  const name = `${folder}/${last}`;
  const bytes = await blobs.read(name, signal);
  if (bytes === undefined) {
    throw new LedgerCorruptError(`${blobs.locationOf(name)} was listed and is not there`);
  }
  if (last === BEGIN) return { position: decodeBegin(bytes, name), openCut: undefined };
  if (last.endsWith(".cut")) {
    const openCut = decodeCut(bytes, name);
    return { position: openCut.first, openCut };
  }
  return { position: decodeEntry(bytes, name).cut.last + 1n, openCut: undefined };
}

async function* listEntries(
  blobs: BlobStore,
  partition: TopicPartition,
  from: bigint,
  signal: AbortSignal,
): AsyncGenerator<LedgerEntry> {
  const folder = ledgerFolder(partition);
  let after = padded(from);
  for (;;) {
    const page = await blobs.list(folder, after, signal);
    for (const entryName of page.names) {
      after = entryName;
      if (!entryName.endsWith(".done")) continue;
      const name = `${folder}/${entryName}`;
      const bytes = await blobs.read(name, signal);
      if (bytes !== undefined) yield decodeEntry(bytes, name);
    }
    if (!page.more) return;
  }
}

async function publish(
  blobs: BlobStore,
  file: EncodedFile,
  signal: AbortSignal,
): Promise<LandedFile> {
  const name = `${TABLE_FOLDER}/${file.name}`;
  const location = blobs.locationOf(name);
  if ((await blobs.createFromFile(name, file, signal)) === "exists") {
    const found = await blobs.describe(name, signal);
    if (found?.bytes !== file.bytes || found.sha256 !== file.sha256) {
      throw new FencedError(
        `publish ${location}: it exists with other content (${found?.bytes ?? "no"} bytes, ` +
          `SHA-256 ${found?.sha256 ?? "unknown"}, wanted ${file.bytes} bytes, ${file.sha256}). ` +
          "Does another process land the same topic into the same folder?",
      );
    }
  }
  const { dt, hr, rows, bytes, sha256 } = file;
  return { name: file.name, location, dt, hr, rows, bytes, sha256 };
}

/** The same content twice is success; other content belongs to another owner. */
async function putOnce(
  blobs: BlobStore,
  name: string,
  bytes: Buffer,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await blobs.create(name, bytes, signal)) === "created") return;
  const found = await blobs.read(name, signal);
  if (found?.equals(bytes)) return;
  throw new FencedError(
    `${what}: ${blobs.locationOf(name)} already holds something else: ` +
      `${found?.subarray(0, 300).toString().trim() ?? "(gone)"}. ` +
      "Another process lands the same partition; stop one of them.",
  );
}

function describeCut(cut: Cut): string {
  return `cut ${cut.topic}/${cut.partition} ${cut.first}..${cut.last}`;
}

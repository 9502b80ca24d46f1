import { isAfter } from "../../publisher/sequence.ts";
import { itemsOf, type Item } from "./items.ts";
import { isSettled, originOf, recordsOf, send, type Entry, type Pass } from "./part.ts";
import type { StreamProgress } from "./progress.ts";
import { readItem, type ItemReading } from "./read-item.ts";
import type { ReplayFile } from "./replay-file.ts";
import { markAfter } from "./segment.ts";

/**
 * Sends what a file holds behind the place that was read last.
 *
 * @param items all items of the file; default: as it is now, to its end
 */
export async function replayFile(
  pass: Pass,
  file: ReplayFile,
  stream: StreamProgress,
  onBroken: (file: string, item: number, reason: string) => void,
  items?: AsyncIterable<readonly Item[]>,
): Promise<void> {
  pass.left -= recordsOf(pass.sink, stream);
  let broken: string | undefined;
  let mark = 0;
  let index = -1;
  let last: Item | undefined;
  const whole = () =>
    itemsOf(file.layout, (reason) => {
      broken = reason;
    });
  for await (const some of items ?? whole()) {
    pass.signal.throwIfAborted();
    const entries: Entry[] = [];
    for (const item of some) {
      last = item;
      index += 1;
      mark = markAfter(mark, item);
      if (index < stream.last.item) continue;
      entries.push(...entriesOf(pass, file, stream, { item, index, mark }));
    }
    await send(pass, stream, entries);
    if (pass.left <= 0) return;
  }
  if (broken !== undefined) onBroken(file.name, (last?.number ?? 0) + 1, broken);
}

interface Found {
  readonly item: Item;
  readonly index: number;
  readonly mark: number;
}

/** What an item says that was not read before. */
function entriesOf(
  pass: Pass,
  file: ReplayFile,
  stream: StreamProgress,
  { item, index, mark }: Found,
): Entry[] {
  const origin = { file: file.name, line: item.number, byteOffset: item.byteOffset };
  return readItem(item, pass.postBytesMax).flatMap((reading, within): Entry[] => {
    const last = { item: index, index: within };
    if (!isAfter(last, stream.last)) return [];
    const place = { stream: stream.name, ...last, mark, origin: originOf(stream, last, mark) };
    const isPost = reading.kind !== "other" && reading.kind !== "unreadable";
    const isPresent = isPost && isSettled(stream, Buffer.from(reading.id), last);
    const said = { ...knownOf(reading, pass.round), origin, place, isPresent };
    return [{ item: said, last, mark, isPost }];
  });
}

/** In a further round of a loop a post is another version of itself: it comes again on purpose. */
function versionOf(version: string | null, round: number): string | undefined {
  return round === 1 ? (version ?? undefined) : `${version ?? ""} round ${round}`;
}

function knownOf(reading: ItemReading, round: number) {
  if (reading.kind === "other") return { bytes: Buffer.alloc(0), known: reading };
  if (reading.kind === "unreadable") {
    const { code, reason, piece } = reading;
    const { bytes, length, sha256 } = piece;
    const known = { kind: "unreadable", code, reason } as const;
    return sha256 === undefined ? { bytes, known } : { bytes, known, whole: { length, sha256 } };
  }
  const { kind, id, schema, value, fields } = reading;
  const version = versionOf(fields.version, round);
  const known = { kind, id, schema, ...(version === undefined ? {} : { version }) };
  return { bytes: value, known };
}

/**
 * Header of every record that ingest writes: `spool-<id>/<ordinal>`. The records of one partition are
 * appended in order, so the last one of a spool tells which of its records the partition has.
 *
 * Before there was a spool it said `stream/item.index/partitions/mark/before`, which is now the
 * header of records that come from a file or the generator: an ingest whose spool is new finds in the
 * topic how far it was read (docs/adr/0030-a-replay-is-known-by-its-content.md).
 */
export const sequenceHeader = "hybridge-seq";
export const originHeader = "hybridge-origin";

export function formatOrdinal(spoolId: string, ordinal: number): string {
  return `spool-${spoolId}/${ordinal}`;
}

/** The ordinal in a header, if it is one of this spool. */
export function parseOrdinal(text: string, spoolId: string): number | undefined {
  const prefix = `spool-${spoolId}/`;
  if (!text.startsWith(prefix)) return undefined;
  const ordinal = Number(text.slice(prefix.length));
  return Number.isSafeInteger(ordinal) ? ordinal : undefined;
}

/** A place in a stream: an item, and which of the things that this item says. */
export interface Place {
  readonly item: number;
  readonly index: number;
}

export interface Sequence extends Place {
  readonly stream: string;
  /** How many partitions the keys of the stream are spread over. */
  readonly partitions: number;
  /** CRC-32 of all items of the stream up to and with this one; undefined in old headers. */
  readonly mark: number | undefined;
}

export function formatSequence(sequence: Sequence & { readonly mark: number }): string {
  const { stream, item, index, partitions, mark } = sequence;
  return `${stream}/${item}.${index}/${partitions}/${mark.toString(16)}/*`;
}

const PATTERN = /^([^/]+)\/(\d{1,16})\.(\d{1,9})\/(\d{1,9})\/([0-9a-f]{1,8})\/(?:[0-9a-f]{12}|\*)$/;
/** `stream/item/partitions`, as it was written before streams were known by their content. */
const OLD_PATTERN = /^([^/]+)\/(\d{1,16})\/(\d{1,9})$/;

export function parseSequence(text: string): Sequence | undefined {
  const match = PATTERN.exec(text);
  if (match) {
    const [, stream = "", item, index, partitions, mark = ""] = match;
    return checked({
      stream,
      item: Number(item),
      index: Number(index),
      partitions: Number(partitions),
      mark: Number.parseInt(mark, 16),
    });
  }
  const old = OLD_PATTERN.exec(text);
  if (!old) return undefined;
  const [, stream = "", item, partitions] = old;
  return checked({
    stream,
    item: Number(item),
    index: 0,
    partitions: Number(partitions),
    mark: undefined,
  });
}

function checked(sequence: Sequence): Sequence | undefined {
  return Number.isSafeInteger(sequence.item) && sequence.partitions > 0 ? sequence : undefined;
}

export function isAfter(place: Place, other: Place): boolean {
  return place.item > other.item || (place.item === other.item && place.index > other.index);
}

export function later<P extends Place>(one: P, other: P): P {
  return isAfter(one, other) ? one : other;
}

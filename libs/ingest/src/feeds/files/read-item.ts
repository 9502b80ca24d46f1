import { readPosts, type Reading } from "@hybridge/tweet";
import type { Piece } from "./piece.ts";

/** What cannot be a record, with its bytes. */
export interface Unreadable {
  readonly kind: "unreadable";
  readonly code: string;
  readonly reason: string;
  readonly piece: Piece;
}

export type ItemReading = Exclude<Reading, { readonly kind: "unreadable" }> | Unreadable;

/** What an item says, at least one thing. Never throws, whatever the bytes are. */
export function readItem(item: Piece, postBytesMax: number): readonly ItemReading[] {
  if (item.sha256 !== undefined) return [tooLarge(item, item.length, "can be held")];
  const readings = readPosts(item.bytes);
  return readings.map((reading): ItemReading => {
    if (reading.kind === "other") return reading;
    if (reading.kind === "unreadable") {
      return readings.length === 1 && item.length > postBytesMax
        ? tooLarge(item, item.length, limit(postBytesMax))
        : { ...reading, piece: item };
    }
    const { length } = reading.value;
    if (length <= postBytesMax) return reading;
    return tooLarge({ bytes: reading.value, length }, length, limit(postBytesMax));
  });
}

function limit(postBytesMax: number): string {
  return `HYBRIDGE_POST_BYTES_MAX allows (${postBytesMax})`;
}

function tooLarge(piece: Piece, length: number, bound: string): Unreadable {
  const reason = `${length} bytes are more than ${bound}`;
  return { kind: "unreadable", code: "TOO_LARGE", reason, piece };
}

import { Buffer } from "node:buffer";

const REPLACEMENT = "\uFFFD";

/**
 * Text as every engine can hold it: NUL (which Redshift refuses) and lone surrogates (which UTF-8
 * cannot express) become U+FFFD, and what exceeds `bytesMax` bytes of UTF-8 is cut off at a
 * character boundary.
 */
export function storable(text: string, bytesMax: number): string {
  const clean = text.includes("\0") ? text.replaceAll("\0", REPLACEMENT) : text;
  const formed = clean.isWellFormed() ? clean : clean.toWellFormed();
  return cutToBytes(formed, bytesMax);
}

/** The longest prefix of well-formed `text` that has at most `bytesMax` bytes of UTF-8. */
export function cutToBytes(text: string, bytesMax: number): string {
  // A UTF-16 unit is at most three bytes of UTF-8 (a pair is four): short text needs no count.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  // Continuation bytes are 10xxxxxx: step back to the first byte of the character that is split.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

/** A JSON array of the storable tags; trailing tags are left out until it fits into `bytesMax`. */
export function storableTags(tags: readonly string[], bytesMax: number): string {
  if (tags.length === 0) return "[]";
  const parts: string[] = [];
  let bytes = 2;
  for (const tag of tags) {
    const part = JSON.stringify(storable(tag, bytesMax));
    bytes += Buffer.byteLength(part) + (parts.length > 0 ? 1 : 0);
    if (bytes > bytesMax) break;
    parts.push(part);
  }
  return `[${parts.join(",")}]`;
}

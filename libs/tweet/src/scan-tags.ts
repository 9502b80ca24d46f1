import { Buffer } from "node:buffer";
import { Kind, type JsonScanner } from "./json-scanner.ts";
import { leaf, shapeOf, type Shape, type ShapeSpec } from "./scan-shapes.ts";
import type { ScannedPost } from "./scanned-post.ts";

/** Where tags stand: `facets` of a Bluesky post, a list of strings, or a list of objects. */
export interface TagSource {
  readonly slot: number;
  readonly from: "facets" | "strings" | "text" | "tag";
}

const v11 = shapeOf({ text: leaf });
const v2 = shapeOf({ tag: leaf });
const facet = shapeOf({ features: leaf });
const feature = shapeOf({ $type: leaf, tag: leaf });

const TAG_FEATURE = Buffer.from("app.bsky.richtext.facet#tag");
const EMPTY = Buffer.from("[]");

/** The column of hashtags, from the list in a slot. */
export function putTags(
  said: ScannedPost,
  scanner: JsonScanner,
  slot: number,
  from: "text" | "tag",
): boolean {
  const kind = scanner.kinds[slot] ?? Kind.absent;
  if (kind === Kind.list) return addTags(said, scanner, [{ slot, from }]);
  return kind <= Kind.null && addTags(said, scanner, []);
}

/** The column of hashtags from several lists: JSON as JSON.stringify writes it. */
export function addTags(
  said: ScannedPost,
  scanner: JsonScanner,
  sources: readonly TagSource[],
): boolean {
  const begun = said.beginComposed();
  for (const { slot, from } of sources) {
    if (!addFrom(said, scanner, begun, scanner.starts[slot] ?? 0, from)) return false;
  }
  const isEmpty = said.composedBytes === begun;
  if (isEmpty ? !said.compose(EMPTY, 0, 2) : !said.composeByte(0x5d)) return false;
  return said.putComposed("hashtags", begun);
}

function addFrom(
  said: ScannedPost,
  scanner: JsonScanner,
  begun: number,
  list: number,
  from: TagSource["from"],
): boolean {
  let at = scanner.firstElement(list);
  while (at >= 0) {
    const end = elementAt(said, scanner, begun, at, from);
    if (end < 0) return false;
    at = scanner.nextElement(end);
  }
  return true;
}

/** Adds what one element says; returns its end, or -1. */
function elementAt(
  said: ScannedPost,
  scanner: JsonScanner,
  begun: number,
  at: number,
  from: TagSource["from"],
): number {
  if (from === "strings") {
    const end = scanner.value(at);
    return end >= 0 && addTag(said, scanner, begun, scanner.kind, at + 1, end - 1) ? end : -1;
  }
  if (from === "facets") return facetAt(said, scanner, begun, at);
  const shape = from === "text" ? v11 : v2;
  const slot = from === "text" ? v11.slots.text : v2.slots.tag;
  const end = elementOf(scanner, shape, at);
  return end >= 0 && addSlot(said, scanner, begun, slot) ? end : -1;
}

/** A facet has features, and some of them are tags. */
function facetAt(said: ScannedPost, scanner: JsonScanner, begun: number, at: number): number {
  const end = elementOf(scanner, facet, at);
  if (end < 0) return -1;
  const { features } = facet.slots;
  const { kinds, starts } = scanner;
  if (kinds[features] !== Kind.list) return (kinds[features] ?? 0) <= Kind.null ? end : -1;
  let inner = scanner.firstElement(starts[features] ?? 0);
  while (inner >= 0) {
    const innerEnd = elementOf(scanner, feature, inner);
    if (innerEnd < 0) return -1;
    const { $type: type, tag } = feature.slots;
    if ((kinds[type] ?? 0) > Kind.text) return -1;
    if (isTagFeature(scanner, type) && !addSlot(said, scanner, begun, tag)) return -1;
    inner = scanner.nextElement(innerEnd);
  }
  return end;
}

function isTagFeature({ bytes, kinds, starts, ends }: JsonScanner, type: number): boolean {
  const start = starts[type] ?? 0;
  if (kinds[type] !== Kind.text || (ends[type] ?? 0) - start !== TAG_FEATURE.length) return false;
  for (let index = 0; index < TAG_FEATURE.length; index++) {
    if (bytes[start + index] !== TAG_FEATURE[index]) return false;
  }
  return true;
}

function elementOf(scanner: JsonScanner, shape: Shape<ShapeSpec>, at: number): number {
  scanner.forget(shape);
  return scanner.element(shape.node, at);
}

function addSlot(said: ScannedPost, scanner: JsonScanner, begun: number, slot: number): boolean {
  const { kinds, starts, ends } = scanner;
  return addTag(said, scanner, begun, kinds[slot] ?? 0, starts[slot] ?? 0, ends[slot] ?? 0);
}

/** A tag is text; whatever else stands there is none. */
function addTag(
  said: ScannedPost,
  { bytes }: JsonScanner,
  begun: number,
  kind: number,
  start: number,
  end: number,
): boolean {
  if (kind === Kind.unstorable) return false;
  if (kind !== Kind.text && kind !== Kind.escaped) return true;
  if (!said.composeByte(said.composedBytes === begun ? 0x5b : 0x2c)) return false;
  if (kind === Kind.text) return said.compose(bytes, start - 1, end - start + 2);
  // Escapes as JSON.stringify writes them, which need not be as they stand.
  const written = Buffer.from(bytes.subarray(start - 1, end + 1)).toString("utf8");
  const canonical = Buffer.from(JSON.stringify(JSON.parse(written)));
  return said.compose(canonical, 0, canonical.length);
}

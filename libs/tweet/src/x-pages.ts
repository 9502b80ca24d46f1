import { idOf, listOf, objectOf, type Json, type Met } from "./json.ts";
import { elementsOf, membersOf, type Slice } from "./json-slices.ts";

/** An object that `includes` of a page holds, and where it stands. */
interface Included extends Slice {
  readonly kind: string;
  readonly value: unknown;
  /** Place in the page; what a post keeps, it keeps in this order. */
  readonly order: number;
}

/**
 * What the posts of a page may name together. Each gets a copy, so that a page that was made for it
 * could fill any memory; X's pages have at most 500 posts, which name a few objects each.
 */
const NAMED_BYTES_MAX = 67_108_864;
const NAMED_COUNT_MAX = 200_000;

/**
 * The posts of a page of X's API v2 (`{"data":[...],"includes":{...}}`), each as a message of the
 * filtered stream: `{"data":<the element as it stands>,"includes":{...}}`, with those objects of
 * `includes`, as they stand too, that the post names by id or key, and that these name in turn.
 * `errors`, `meta` and what else the page says about itself stays behind.
 *
 * @param page what `bytes` say from `start` on, known to be JSON
 * @returns undefined when they would be too large together
 */
export function postsOfPage(bytes: Buffer, start: number, page: Json): Buffer[] | undefined {
  const members = membersOf(bytes, start);
  const data = members.get("data");
  if (!data) return [];
  const included = indexIncludes(bytes, members.get("includes"), page);
  const values = listOf(page["data"]);
  const posts: Buffer[] = [];
  let namedBytes = 0;
  let namedCount = 0;
  for (const [index, slice] of elementsOf(bytes, data.start).entries()) {
    const kept = closureOf(values[index], included);
    namedCount += kept.length;
    for (const each of kept) namedBytes += each.end - each.start;
    if (namedCount > NAMED_COUNT_MAX || namedBytes > NAMED_BYTES_MAX) return undefined;
    posts.push(
      Buffer.concat([
        Buffer.from('{"data":'),
        bytes.subarray(slice.start, slice.end),
        ...written(bytes, kept),
        Buffer.from("}"),
      ]),
    );
  }
  return posts;
}

/** By the id or key that a post names them by. Of two with one name both are kept. */
function indexIncludes(bytes: Buffer, slice: Slice | undefined, page: Json) {
  const byName = new Map<string, Included[]>();
  const includes = objectOf(page["includes"]);
  if (!slice || !includes) return byName;
  const met: Met = { roundedInteger: false };
  let order = 0;
  for (const [kind, { start }] of membersOf(bytes, slice.start)) {
    const values = includes[kind];
    if (!Array.isArray(values)) continue;
    for (const [index, { start: from, end }] of elementsOf(bytes, start).entries()) {
      const value: unknown = values[index];
      const name = nameOf(objectOf(value), met);
      if (name === null) continue;
      const same = byName.get(name) ?? [];
      same.push({ start: from, end, kind, value, order: order++ });
      byName.set(name, same);
    }
  }
  return byName;
}

function nameOf(value: Json | undefined, met: Met): string | null {
  return idOf(met, value?.["media_key"] ?? value?.["id"]);
}

function closureOf(post: unknown, byName: ReadonlyMap<string, readonly Included[]>): Included[] {
  const kept = new Set<Included>();
  const names = new Set<string>();
  const waiting: unknown[] = [post];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string") {
      if (names.has(value)) continue;
      names.add(value);
      for (const each of byName.get(value) ?? []) {
        kept.add(each);
        waiting.push(each.value);
      }
    } else if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) waiting.push(inner);
    }
  }
  return [...kept].sort((a, b) => a.order - b.order);
}

function written(bytes: Buffer, kept: readonly Included[]): Buffer[] {
  if (kept.length === 0) return [];
  const pieces: Buffer[] = [Buffer.from(',"includes":{')];
  let kind: string | undefined;
  for (const each of kept) {
    const isFirst = kind === undefined;
    if (each.kind === kind) pieces.push(Buffer.from(","));
    else {
      pieces.push(Buffer.from(`${isFirst ? "" : "],"}${JSON.stringify(each.kind)}:[`));
      kind = each.kind;
    }
    pieces.push(bytes.subarray(each.start, each.end));
  }
  pieces.push(Buffer.from("]}"));
  return pieces;
}

import { isUtf8 } from "node:buffer";
import { DEPTH_MAX, isTooDeep } from "./json-depth.ts";
import { parseExactly } from "./json-exact.ts";
import { elementsOf, membersOf, valueStart } from "./json-slices.ts";
import { objectOf, type Json, type Met } from "./json.ts";
import { meaningOf } from "./meaning.ts";
import type { Reading, UnreadableCode } from "./reading.ts";
import { postsOfPage } from "./x-pages.ts";

/**
 * Reads what one message, line or element of a source says: usually one thing, and of a page or a
 * list each of its elements. `schema` is what the header of a record says; it helps where the
 * shape leaves a doubt. Never throws, and depends on nothing but the bytes.
 *
 * The value of a reading is the bytes themselves. Of a list (`[...]`, or `statuses` of an answer
 * to a search) each element is a value, exactly as it stands; for a page of X's API v2 see
 * postsOfPage.
 */
export function readPosts(bytes: Buffer, schema?: string): readonly Reading[] {
  const parsed = parse(bytes);
  if (!parsed.ok) return [parsed.reading];
  const parts = partsOf(bytes, parsed.root);
  if (parts === "TOO_LARGE") return [tooLarge()];
  if (!parts) return [readParsed(bytes, parsed, schema)];
  return parts.flatMap((part) => {
    const inner = parse(part);
    if (!inner.ok) return [inner.reading];
    // A list may be one of pages, but not one of lists.
    const posts = Array.isArray(inner.root) ? undefined : partsOf(part, inner.root);
    if (posts === "TOO_LARGE") return [tooLarge()];
    return posts
      ? posts.map((post) => readPost(post, schema).reading)
      : [readParsed(part, inner, schema)];
  });
}

/**
 * The same for the value of a record, which is one thing.
 *
 * @returns what it says, and its text, so that nobody decodes it twice
 */
export function readPost(
  bytes: Buffer,
  schema?: string,
): { readonly reading: Reading; readonly text: string } {
  const parsed = parse(bytes);
  if (!parsed.ok) return { reading: parsed.reading, text: "" };
  const list = pageOf(parsed.root) ?? statusesOf(parsed.root);
  if (!list || list.length === 0) {
    return { reading: readParsed(bytes, parsed, schema), text: parsed.text };
  }
  const reason = `a page of ${list.length}: a record is one post; ingest takes pages apart`;
  return { reading: unreadable("SEVERAL_POSTS", reason), text: parsed.text };
}

interface ParsedText {
  readonly ok: true;
  readonly text: string;
  readonly root: unknown;
}

interface Refused {
  readonly ok: false;
  readonly reading: Reading;
}

const BYTE_ORDER_MARK = "\uFEFF";

/** JSON.parse keeps no stack of the process however deep the text is; what follows reads by name. */
function parse(bytes: Buffer): ParsedText | Refused {
  if (bytes.length === 0) return refuse("EMPTY", "the value is empty");
  if (!isUtf8(bytes)) return refuse("NOT_UTF8", "the value is not UTF-8");
  if (isTooDeep(bytes)) {
    return refuse("TOO_DEEP", `more than ${DEPTH_MAX} lists and objects are open at once`);
  }
  const text = bytes.toString("utf8");
  try {
    return { ok: true, text, root: JSON.parse(withoutMark(text)) as unknown };
  } catch {
    const exact = parseExactly(withoutMark(text));
    const [code, reason] = exact.ok
      ? (["NOT_JSON", "it is no JSON"] as const)
      : ([exact.code, `the value is not JSON: ${exact.reason}`] as const);
    return refuse(code, reason);
  }
}

/** RFC 8259, section 8.1: a parser may ignore a byte order mark. */
function withoutMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

function readParsed(bytes: Buffer, { text, root }: ParsedText, schema?: string): Reading {
  const object = objectOf(root);
  if (!object) return unreadable("NOT_AN_OBJECT", "the value is JSON and not an object");
  const met: Met = { roundedInteger: false };
  let meaning = meaningOf(object, schema, met);
  if (met.roundedInteger) {
    const exact = parseExactly(withoutMark(text));
    const again = exact.ok ? objectOf(exact.value) : undefined;
    if (again) meaning = meaningOf(again, schema, met);
  }
  if (!meaning) return unreadable("NO_ID", "the value has no id where a known form has it");
  if (meaning.kind === "other") return meaning;
  const { kind, fields } = meaning;
  return { kind, id: fields.id, schema: meaning.schema, value: bytes, fields };
}

/** The values in a page or a list, or undefined when the value is one thing. */
function partsOf(bytes: Buffer, root: unknown): Buffer[] | "TOO_LARGE" | undefined {
  const page = pageOf(root);
  const isList = Array.isArray(root) && root.some(isObject);
  const statuses = statusesOf(root);
  if (!page && !isList && !statuses) return undefined;
  const start = valueStart(bytes);
  if (page && page.length > 0) return postsOfPage(bytes, start, root as Json) ?? "TOO_LARGE";
  const list = isList ? start : membersOf(bytes, start).get("statuses")?.start;
  if (list === undefined || statuses?.length === 0 || page) return undefined;
  return elementsOf(bytes, list).map((slice) => bytes.subarray(slice.start, slice.end));
}

function pageOf(root: unknown): readonly unknown[] | undefined {
  return listIn(root, "data");
}

function statusesOf(root: unknown): readonly unknown[] | undefined {
  return listIn(root, "statuses");
}

function listIn(root: unknown, name: string): readonly unknown[] | undefined {
  const object = objectOf(root);
  const list = object?.[name];
  if (!Array.isArray(list) || object?.["id"] !== undefined) return undefined;
  return object?.["id_str"] === undefined ? list : undefined;
}

function isObject(value: unknown): boolean {
  return objectOf(value) !== undefined;
}

function tooLarge(): Reading {
  return unreadable("TOO_LARGE", "the posts of the page, each with what it names, are too large");
}

function refuse(code: UnreadableCode, reason: string): Refused {
  return { ok: false, reading: unreadable(code, reason) };
}

function unreadable(code: UnreadableCode, reason: string): Reading {
  return { kind: "unreadable", code, reason };
}

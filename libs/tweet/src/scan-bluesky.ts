import { Kind } from "./json-scanner.ts";
import type { Slots } from "./scan-shapes.ts";
import {
  COMMIT,
  EVENT,
  scanner,
  root,
  isoTime,
  isTime,
  isAbsent,
  isNothing,
  isObjectOrNothing,
  isListOrNothing,
  isText,
  isRange,
  ascii,
} from "./scan-slots.ts";
import { addTags, type TagSource } from "./scan-tags.ts";
import type { ScannedPost, ScannedText } from "./scanned-post.ts";
import { epochOf } from "./time.ts";

const { kinds, starts, ends, numbers } = scanner;

const COMMIT_KIND = ascii("commit");
const POSTS = ascii("app.bsky.feed.post");
const CREATE = ascii("create");
const UPDATE = ascii("update");

export function readEvent(said: ScannedPost): boolean {
  const isSecond = kinds[root.payload.$] === Kind.object;
  const event = isSecond ? root.payload : root;
  if (!isSecond && !isAbsent(root.$type)) return false;
  if (!isCommit(event)) return false;
  if (!isObjectOrNothing(event.commit.$)) return false;
  const commit = kinds[event.commit.$] === Kind.object ? event.commit : event;
  const { record } = commit;
  if (kinds[record.$] !== Kind.object || !isText(commit.collection, POSTS)) return false;
  if (!isText(commit.operation, CREATE) && !isText(commit.operation, UPDATE)) return false;
  said.schema = "bluesky.v1";
  said.createdAtMs = isoTime(record.createdAt);
  return (
    isTime(said.createdAtMs) &&
    putObserved(said, event) &&
    said.putId("author_id", scanner, event.did) &&
    kinds[commit.rkey] === Kind.text &&
    putAddress(said, "id", event.did, starts[commit.rkey] ?? 0, ends[commit.rkey] ?? 0) &&
    said.putText("text", scanner, record.text) &&
    putLanguage(said, record.langs) &&
    putEventTags(said, record) &&
    putReply(said, record) &&
    putEmbed(said, record)
  );
}

/** Version 1 names the kind, version 2 has it behind the `#` of its type. */
function isCommit(event: Slots<typeof EVENT>): boolean {
  if (!isAbsent(event.kind)) return isText(event.kind, COMMIT_KIND);
  if (kinds[event.$type] !== Kind.text) return false;
  const start = starts[event.$type] ?? 0;
  const end = ends[event.$type] ?? 0;
  let at = start;
  while (at < end && scanner.bytes[at] !== 0x23) at += 1;
  return at < end && isRange(at + 1, end, COMMIT_KIND);
}

function putObserved(said: ScannedPost, event: Slots<typeof EVENT>): boolean {
  if (!isNothing(event.time_us)) {
    if (kinds[event.time_us] !== Kind.count) return false;
    const ms = epochOf(numbers[event.time_us] ?? 0);
    if (ms === null) return false;
    said.observedAtMs = ms;
    return true;
  }
  if (isNothing(event.time)) return true;
  said.observedAtMs = isoTime(event.time);
  return isTime(said.observedAtMs);
}

/** `did/rkey`: the first from a slot, the second a range of the bytes. */
function putAddress(
  said: ScannedPost,
  name: ScannedText,
  did: number,
  start: number,
  end: number,
): boolean {
  const begun = said.beginComposed();
  const from = starts[did] ?? 0;
  return (
    end > start &&
    said.compose(scanner.bytes, from, (ends[did] ?? 0) - from) &&
    said.composeByte(0x2f) &&
    said.compose(scanner.bytes, start, end - start) &&
    said.putComposed(name, begun)
  );
}

function putLanguage(said: ScannedPost, list: number): boolean {
  if (kinds[list] !== Kind.list) return isNothing(list);
  const at = scanner.firstElement(starts[list] ?? 0);
  if (at < 0) return true;
  const end = scanner.value(at);
  if (end < 0 || scanner.kind !== Kind.text) return false;
  return said.putRange("lang", at + 1, end - at - 2);
}

function putEventTags(said: ScannedPost, record: Slots<typeof COMMIT>["record"]): boolean {
  if (!isListOrNothing(record.facets) || !isListOrNothing(record.tags)) return false;
  const sources: TagSource[] = [];
  if (kinds[record.facets] === Kind.list) sources.push({ slot: record.facets, from: "facets" });
  if (kinds[record.tags] === Kind.list) sources.push({ slot: record.tags, from: "strings" });
  return addTags(said, scanner, sources);
}

function putReply(said: ScannedPost, { reply }: Slots<typeof COMMIT>["record"]): boolean {
  if (!isObjectOrNothing(reply.$) || !isObjectOrNothing(reply.parent.$)) return false;
  return putIdOfAddress(said, "reply_to_id", reply.parent.uri);
}

const EMBEDDED_RECORD = ascii("app.bsky.embed.record");
const EMBEDDED_WITH_MEDIA = ascii("app.bsky.embed.recordWithMedia");

function putEmbed(said: ScannedPost, { embed }: Slots<typeof COMMIT>["record"]): boolean {
  if (!isObjectOrNothing(embed.$)) return false;
  if (isNothing(embed.$type)) return true;
  if (kinds[embed.$type] !== Kind.text) return false;
  const { record } = embed;
  if (isText(embed.$type, EMBEDDED_RECORD)) {
    return isObjectOrNothing(record.$) && putIdOfAddress(said, "quote_of_id", record.uri);
  }
  if (!isText(embed.$type, EMBEDDED_WITH_MEDIA)) return true;
  if (!isObjectOrNothing(record.$) || !isObjectOrNothing(record.record.$)) return false;
  return putIdOfAddress(said, "quote_of_id", record.record.uri);
}

const SCHEME = ascii("at://");

/** `at://did/collection/rkey` to `did/rkey`; any other text is no address, and null. */
function putIdOfAddress(said: ScannedPost, name: ScannedText, uri: number): boolean {
  if (isNothing(uri)) return true;
  if (kinds[uri] !== Kind.text) return false;
  const { bytes } = scanner;
  const start = starts[uri] ?? 0;
  const end = ends[uri] ?? 0;
  if (!isRange(start, Math.min(start + SCHEME.length, end), SCHEME)) return true;
  const did = start + SCHEME.length;
  let first = did;
  while (first < end && bytes[first] !== 0x2f) first += 1;
  let second = first + 1;
  while (second < end && bytes[second] !== 0x2f) second += 1;
  let third = second + 1;
  while (third < end && bytes[third] !== 0x2f) third += 1;
  const hasThree = first > did && second > first + 1 && third > second + 1;
  if (!hasThree || third !== end) return true;
  const begun = said.beginComposed();
  return (
    said.compose(bytes, did, first - did) &&
    said.compose(bytes, second, end - second) &&
    said.putComposed(name, begun)
  );
}

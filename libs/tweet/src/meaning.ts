import { readBluesky } from "./bluesky.ts";
import { objectOf, type Json, type Met } from "./json.ts";
import { other, type Meaning } from "./reading.ts";
import { readBatchCompliance, readNotice } from "./x-notices.ts";
import { readStatus } from "./x-v11.ts";
import { readPostV2 } from "./x-v2.ts";

/** Members that only posts of X's API v2 have. */
const V2_MEMBERS = [
  "author_id",
  "public_metrics",
  "edit_history_tweet_ids",
  "conversation_id",
  "referenced_tweets",
  "note_tweet",
];

/**
 * What an object says: its shape decides which source it is of. `schema`, what the record's header
 * says, only helps where shapes are the same. Undefined when there is nothing to know it by.
 */
export function meaningOf(json: Json, schema: string | undefined, met: Met): Meaning | undefined {
  const data = objectOf(json["data"]);
  if (data) {
    if (isUser(data)) return other("user", "a user of X's API v2");
    const meaning = readPostV2(data, objectOf(json["includes"]), met) ?? readNotice(data, met);
    if (meaning) return meaning;
  }
  if (isUser(json)) return other("user", "a user of X");
  if (json["id_str"] !== undefined || objectOf(json["user"])) return readStatus(json, met);
  if (typeof json["did"] === "string" || objectOf(json["payload"])) return readBluesky(json);
  const archived = objectOf(json["tweet"]);
  if (archived) return readStatus(archived, met);
  if (json["id"] !== undefined) return ofBareId(json, schema, met);
  return readNotice(json, met) ?? ofNoId(json);
}

/** An object of X that has its id and neither `id_str` nor `user`. */
function ofBareId(json: Json, schema: string | undefined, met: Met): Meaning | undefined {
  if (typeof json["action"] === "string") return readBatchCompliance(json, met);
  const isV2 =
    V2_MEMBERS.some((name) => json[name] !== undefined) ||
    schema === "x.v2" ||
    (schema !== "x.v1.1" && typeof json["id"] === "string" && typeof json["text"] === "string");
  if (isV2) return readPostV2(json, objectOf(json["includes"]), met);
  // Without a word of text it may be a notice of v1.1 that names its id beside.
  return readNotice(json, met) ?? readStatus(json, met);
}

/** Users stand where posts do in answers to other questions. */
function isUser(json: Json): boolean {
  const name = json["username"] ?? json["screen_name"];
  const isSilent = json["text"] === undefined && json["full_text"] === undefined;
  return typeof name === "string" && isSilent;
}

/** Files of a personal archive beside the posts, each element in an object with its name. */
const ARCHIVE_MEMBERS = [
  "like",
  "noteTweet",
  "follower",
  "following",
  "dmConversation",
  "deletedNoteTweet",
  "blocking",
  "muting",
  "profile",
];

function ofNoId(json: Json): Meaning | undefined {
  const name = ARCHIVE_MEMBERS.find((each) => objectOf(json[each]));
  if (name !== undefined) return other("archive", `an element of an archive: ${name}`);
  if (isEmptyPage(json)) return other("empty_page", "a page of X without posts");
  return typeof json["$type"] === "string" ? readBluesky(json) : undefined;
}

function isEmptyPage(json: Json): boolean {
  const list = json["data"] ?? json["statuses"];
  if (Array.isArray(list)) return list.length === 0;
  return list === undefined && objectOf(json["meta"])?.["result_count"] === 0;
}

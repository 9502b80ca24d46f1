import { idOf, objectOf, type Json, type Met } from "./json.ts";
import { accountKey, deletion, type PostSchema } from "./post.ts";
import { countedNotices, other, type Meaning } from "./reading.ts";
import { timeOf } from "./time.ts";

/**
 * Reads what X's streams say beside posts: of API v1.1 ("Streaming message types", "Compliance
 * firehose"), `{"delete":{"status":{"id_str","user_id_str"},"timestamp_ms"}}`, and of API v2
 * ("Compliance streams"), `{"delete":{"tweet":{"id","author_id"},"event_at"}}`, which may stand in
 * `data`. A deletion of a post or an account retracts; whatever X may take back (a suspension, a
 * protected account, a post that is dropped for a time) is counted and changes nothing.
 */
export function readNotice(json: Json, met: Met): Meaning | undefined {
  for (const name of ["delete", "tweet_delete"]) {
    const notice = objectOf(json[name]);
    if (notice) return readDeletion(notice, met);
  }
  const gone = objectOf(json["user_delete"]);
  if (gone) return readAccountDeletion(gone, met);
  for (const name of countedNotices) {
    if (json[name] !== undefined) return other(name, `a notice of X: ${name}`);
  }
  return undefined;
}

function readDeletion(notice: Json, met: Met): Meaning | undefined {
  const status = objectOf(notice["status"]);
  const post = status ?? objectOf(notice["tweet"]) ?? objectOf(notice["post"]);
  if (!post) {
    const what = Object.keys(notice).at(0) ?? "nothing";
    return objectOf(notice["direct_message"] ?? notice["favorite"])
      ? other("event", `a notice of X: delete of a ${what}`)
      : undefined;
  }
  const id = idOf(met, post["id_str"], post["id"]);
  if (id === null) return undefined;
  const authorId = idOf(met, post["user_id_str"], post["user_id"]) ?? idOf(met, post["author_id"]);
  const deletedAtMs = timeOf(notice["timestamp_ms"]) ?? timeOf(notice["event_at"]);
  return {
    kind: "delete",
    schema: status ? "x.v1.1" : "x.v2",
    fields: deletion(id, { authorId, deletedAtMs }),
  };
}

function readAccountDeletion(notice: Json, met: Met): Meaning | undefined {
  const user = objectOf(notice["user"]);
  const authorId = user ? idOf(met, user["id"]) : idOf(met, notice["id_str"], notice["id"]);
  if (authorId === null) return undefined;
  const deletedAtMs = timeOf(notice["timestamp_ms"]) ?? timeOf(notice["event_at"]);
  const schema: PostSchema = user ? "x.v2" : "x.v1.1";
  return {
    kind: "account",
    schema,
    fields: deletion(accountKey(authorId), { authorId, deletedAtMs }),
  };
}

/**
 * Reads a line of the result of a batch compliance job (docs.x.com, "Batch compliance"):
 * `{"id","action":"delete","created_at","redacted_at","reason"}`. `created_at` is the post's.
 */
export function readBatchCompliance(line: Json, met: Met): Meaning | undefined {
  const id = idOf(met, line["id"]);
  if (id === null) return undefined;
  if (line["action"] !== "delete") return other("scrub_geo", "batch compliance: no deletion");
  const fields = deletion(id, {
    deletedAtMs: timeOf(line["redacted_at"]),
    createdAtMs: timeOf(line["created_at"]),
  });
  return { kind: "delete", schema: "x.v2", fields };
}

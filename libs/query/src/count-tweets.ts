import { ACCOUNT, timeOf } from "./deletions.ts";
import { SqlParameterError } from "./errors.ts";
import type { ParameterValue } from "./parameters.ts";
import { quoteName } from "./reconcile-digest.ts";
import type { Engine } from "./tokens.ts";

/** What posts to count; what is empty does not filter. */
export interface TweetFilter {
  readonly lang: string;
  /** Without "#". */
  readonly hashtag: string;
  /** ISO 8601; inclusive. */
  readonly createdFrom: string;
  /** ISO 8601; exclusive. */
  readonly createdTo: string;
}

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** Tables as SQL names them. */
export interface CountedTables {
  readonly posts: string;
  /** Where deletions have a table of their own; otherwise they stand among the posts. */
  readonly deletions?: string;
}

/** What tells one row from another. */
const ROW = ["id", "kafka_topic", "kafka_topic_id", "kafka_partition", "kafka_offset"];

/**
 * SQL that counts posts, each id once, without those that were deleted since, by themselves or with
 * their author's account; to be prepared with its parameters.
 *
 * What a deletion follows is what the loader into Redshift takes away: posts before it in the same
 * partition of the same topic, and elsewhere those of no later time.
 *
 * @throws SqlParameterError for a time that is none
 */
export function countTweetsSql(
  engine: Engine,
  tables: CountedTables,
  filter: TweetFilter,
): { readonly sql: string; readonly parameters: Map<string, ParameterValue> } {
  const q = (name: string) => quoteName(engine, name);
  const { conditions, parameters } = conditionsOf(engine, filter);
  const row = ROW.map(q).join(", ");
  const posts =
    `SELECT ${row}, ${q("author_id")}, ${timeOf(engine)} AS ${q("at")} ` +
    `FROM ${tables.posts} WHERE ${conditions.join(" AND ")}`;
  const among = tables.deletions === undefined ? ` WHERE ${q("op")} = 'delete'` : "";
  const deletions = `SELECT ${row}, ${timeOf(engine)} AS ${q("at")} FROM ${tables.deletions ?? tables.posts}${among}`;
  const [post, single, account] = [q("post"), q("single"), q("account")];
  const accountOf =
    engine === "hive"
      ? `CONCAT('${ACCOUNT}', ${post}.${q("author_id")})`
      : `'${ACCOUNT}' || ${post}.${q("author_id")}`;
  const follows = (deletion: string) => followsSql(engine, post, deletion);
  const kept =
    `SELECT ${post}.${q("id")} AS ${q("id")} FROM (${posts}) ${post} ` +
    `LEFT JOIN (${deletions}) ${single} ON ${single}.${q("id")} = ${post}.${q("id")} ` +
    `LEFT JOIN (${deletions}) ${account} ON ${account}.${q("id")} = ${accountOf} ` +
    `GROUP BY ${ROW.map((name) => `${post}.${q(name)}`).join(", ")} ` +
    `HAVING MAX(CASE WHEN ${follows(single)} THEN 1 WHEN ${follows(account)} THEN 1 ELSE 0 END) = 0`;
  const sql = `SELECT COUNT(DISTINCT ${q("id")}) FROM (${kept}) ${q("kept")}`;
  return { sql, parameters };
}

/** Whether a deletion follows a post; NULL where there is none. */
function followsSql(engine: Engine, post: string, deletion: string): string {
  const compare = (name: string, sign: string) =>
    `${post}.${quoteName(engine, name)} ${sign} ${deletion}.${quoteName(engine, name)}`;
  const samePartition = `${compare("kafka_topic_id", "=")} AND ${compare("kafka_partition", "=")}`;
  return (
    `${compare("kafka_topic", "=")} AND CASE WHEN ${samePartition} ` +
    `THEN ${compare("kafka_offset", "<")} ELSE ${compare("at", "<=")} END`
  );
}

function conditionsOf(engine: Engine, filter: TweetFilter) {
  const q = (name: string) => quoteName(engine, name);
  const conditions: string[] = [`${q("op")} = 'upsert'`];
  const parameters = new Map<string, ParameterValue>();
  const add = (name: string, value: string, condition: string) => {
    if (value === "") return;
    parameters.set(name, value);
    conditions.push(condition);
  };
  add("lang", filter.lang, `${q("lang")} = :lang`);
  // The column is a JSON array in text: an element stands in it between quotes, escaped as JSON does.
  const tag = filter.hashtag === "" ? "" : JSON.stringify(filter.hashtag.toLowerCase());
  const position = engine === "hive" ? "INSTR" : "STRPOS";
  add("tag", tag, `${position}(LOWER(${q("hashtags")}), :tag) > 0`);
  const created = (sign: string, name: string) =>
    `${q("created_at")} ${sign} CAST(:${name} AS TIMESTAMP)`;
  add("from", utc("created_from", filter.createdFrom), created(">=", "from"));
  add("to", utc("created_to", filter.createdTo), created("<", "to"));
  return { conditions, parameters };
}

/** A time as both engines write it: UTC, without a zone. */
function utc(name: string, value: string): string {
  if (value === "") return "";
  const zoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(value) || !value.includes("T") ? value : `${value}Z`;
  const at = ISO.test(value) ? Date.parse(zoned) : Number.NaN;
  if (!Number.isFinite(at)) {
    throw new SqlParameterError(
      `${name} is ${JSON.stringify(value)}, which is not an ISO 8601 time such as 2026-11-23T09:00:00Z`,
    );
  }
  return new Date(at).toISOString().replace("T", " ").replace("Z", "");
}

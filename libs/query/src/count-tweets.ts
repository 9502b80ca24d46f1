import { SqlParameterError } from "./errors.ts";
import type { ParameterValue } from "./parameters.ts";
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

/**
 * SQL that counts posts, each id once, without those that were deleted since; to be prepared with
 * its parameters. An id is a record's key, so that all its records stand in one partition, in order.
 *
 * @param table as SQL names it
 * @throws SqlParameterError for a time that is none
 */
export function countTweetsSql(
  engine: Engine,
  table: string,
  filter: TweetFilter,
): { readonly sql: string; readonly parameters: Map<string, ParameterValue> } {
  const q = (name: string) => (engine === "hive" ? `\`${name}\`` : `"${name}"`);
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
  const lastOf = (condition: string) =>
    `MAX(CASE WHEN ${condition} THEN ${q("kafka_offset")} ELSE -1 END)`;
  const sql =
    `SELECT COUNT(*) FROM (SELECT ${q("id")} FROM ${table} GROUP BY ${q("id")} ` +
    `HAVING ${lastOf(conditions.join(" AND "))} > ${lastOf(`${q("op")} = 'delete'`)}) ${q("counted")}`;
  return { sql, parameters };
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

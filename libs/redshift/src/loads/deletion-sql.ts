import { quoteName, redshiftTables, type TableNames } from "../names.ts";

/** Before it X had no post; a record's timestamp that is older is none (seconds, -1). */
const FIRST_POST = "2006-03-21 00:00:00";
/** The id of a deletion of all that an author has posted begins so (libs/tweet: accountDeletion). */
const ACCOUNT = "account:";

/**
 * The statements that remove from `posts` what is retracted by `deletions`: single posts by their
 * id, and all older posts of an author. Two, because a join on either has no key to join by.
 *
 * A deletion follows a post of a lower offset in the same partition of the same topic; offsets of
 * two partitions, or of two lives of a topic, have no order, so that elsewhere the time decides. At
 * the same time it is the deletion that follows. What was landed before the log has no topic id,
 * and goes by time.
 *
 * @param posts quoted, with the schema where it has one; with the name that qualifies its columns
 * @param bound a further condition, on columns that are qualified
 */
export function deleteRetracted(
  posts: QualifiedTable,
  deletions: QualifiedTable,
  bound?: string,
): readonly string[] {
  const [p, d] = [posts.qualifier, deletions.qualifier];
  const author = `SUBSTRING(${d}."id", ${ACCOUNT.length + 1})`;
  const matches = [
    `${p}."id" = ${d}."id"`,
    `${d}."id" LIKE '${ACCOUNT}%' AND ${p}."author_id" = ${author}`,
  ];
  return matches.map(
    (match) => `DELETE FROM ${posts.table} USING ${deletions.table}
WHERE ${match} AND ${p}."op" <> 'delete' AND ${followsSql(p, d)}${bound === undefined ? "" : ` AND ${bound}`}`,
  );
}

export interface QualifiedTable {
  readonly table: string;
  readonly qualifier: string;
}

/** A table of ours as the target of a statement, and as its columns are qualified there. */
export function qualified(of: TableNames, which: "posts" | "deletions"): QualifiedTable {
  const name = which === "posts" ? of.table : `${of.table}_deletions`;
  return { table: redshiftTables(of)[which], qualifier: quoteName(name) };
}

/** Whether a deletion follows a post. */
function followsSql(p: string, d: string): string {
  const sameTopic = `${p}."kafka_topic" = ${d}."kafka_topic"`;
  const samePartition =
    `${p}."kafka_topic_id" = ${d}."kafka_topic_id" ` +
    `AND ${p}."kafka_partition" = ${d}."kafka_partition"`;
  return `${sameTopic} AND CASE WHEN ${samePartition}
  THEN ${p}."kafka_offset" < ${d}."kafka_offset" ELSE ${timeOf(p)} <= ${timeOf(d)} END`;
}

/** The record's timestamp, or the time of what it tells where the timestamp is none. */
function timeOf(table: string): string {
  const timestamp = `${table}."kafka_timestamp"`;
  return `CASE WHEN ${timestamp} >= '${FIRST_POST}' THEN ${timestamp} ELSE ${table}."event_time" END`;
}

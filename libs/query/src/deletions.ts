import { quoteName } from "./reconcile-digest.ts";
import type { Engine } from "./tokens.ts";

/** The id of a deletion of all that an author has posted begins so (libs/tweet). */
export const ACCOUNT = "account:";

/**
 * SQL for the time by which a deletion in another partition follows a post, as the loader has it:
 * the record's, or that of what it tells where the record's is none (-1, or in seconds).
 */
export function timeOf(engine: Engine): string {
  const timestamp = quoteName(engine, "kafka_timestamp");
  return `CASE WHEN ${timestamp} >= CAST('2006-03-21 00:00:00' AS TIMESTAMP) THEN ${timestamp} ELSE ${quoteName(engine, "event_time")} END`;
}

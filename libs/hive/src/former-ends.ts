import { createHash } from "node:crypto";
import type { Hive } from "./api.ts";
import { HiveSchemaError, HiveStatementError } from "./errors.ts";
import { runText } from "./run-text.ts";
import { identifier } from "./sql-text.ts";

/** ErrorMsg.INVALID_TABLE and DATABASE_NOT_EXISTS. */
const GONE = new Set([10001, 10072]);
/** Keys of table properties may have 256 characters in the metastore's database. */
const TOPIC_IN_KEY_MAX = 200;

type EndOf = (at: { readonly topic: string; readonly partition: number }) => bigint | undefined;

/**
 * Up to which offsets (exclusive) the former version had registered partitions, which it wrote into
 * the table's properties; nothing of a table that is not there.
 */
export async function readFormerEnds(
  hive: Hive,
  { database, table }: { readonly database: string; readonly table: string },
  signal: AbortSignal,
): Promise<EndOf> {
  const name = `${identifier(database)}.${identifier(table)}`;
  try {
    const rows = await runText(hive, `SHOW TBLPROPERTIES ${name}`, signal);
    const properties = new Map(rows.map(([key, value]) => [key, value ?? ""]));
    return (at) => {
      const value = properties.get(positionKey(at));
      return value === undefined ? undefined : endOf(value, name);
    };
  } catch (error) {
    if (!(error instanceof HiveStatementError) || !GONE.has(error.failure.vendorCode)) throw error;
    return () => undefined;
  }
}

function positionKey({ topic, partition }: { topic: string; partition: number }): string {
  const short =
    topic.length <= TOPIC_IN_KEY_MAX ? topic : createHash("sha256").update(topic).digest("hex");
  return `hybridge.next.${short}.${partition}`;
}

function endOf(value: string, table: string): bigint {
  if (/^\d{1,19}$/.test(value)) return BigInt(value);
  throw new HiveSchemaError(
    `a former position in the properties of ${table} is ${JSON.stringify(value)}, not an offset; ` +
      "unset it, and all files of the former version are registered again",
  );
}

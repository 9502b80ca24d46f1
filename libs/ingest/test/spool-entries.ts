import { noCounts } from "../src/spool/state.ts";
import type { Spool, SpoolEntry } from "../src/spool/spool.ts";
import type { RecordToKeep } from "../src/spool/format.ts";

/** The record of a number. */
export function recordOf(spool: Spool, number: number, valueBytes = 40): RecordToKeep {
  const [hashHigh, hashLow] = spool.hashOf(String(number));
  const value = Buffer.alloc(valueBytes, `${number} `);
  const key = Buffer.from(String(number));
  return { key, value, op: "upsert", schema: "x.v2", origin: "", hashHigh, hashLow };
}

/** Keeps the numbers from one up to another that are new, and the other as the cursor. */
export function entryOf(
  spool: Spool,
  first: number,
  end: number,
  options: { readonly wait?: boolean; readonly valueBytes?: number } = {},
): SpoolEntry {
  const all = Array.from({ length: end - first }, (_, at) => {
    return recordOf(spool, first + at, options.valueBytes);
  });
  return {
    wait: options.wait ?? true,
    bytes: all.reduce((sum, { value }) => sum + value.length + 64, 0),
    build: (isNew) => ({
      records: all.filter(({ hashHigh, hashLow }) => isNew(hashHigh, hashLow)),
      meta: {
        feed: "numbers",
        source: "replay",
        part: "",
        cursor: String(end),
        counts: { ...noCounts, posts: end },
        partitions: 0,
      },
    }),
  };
}

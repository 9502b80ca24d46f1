import { createHash } from "node:crypto";
import { openFencedWriter, type ClusterOptions, type RecordToSend } from "@hybridge/kafka";
import { seededRandom } from "@hybridge/kafka/testing";
import { headerNames, postAt } from "@hybridge/tweet";

export const PARTITIONS = 4;
const EPOCH_MS = Date.UTC(2026, 10, 23, 9);
/** Posts are spread over so many hours: a flush has some files, not one. */
const HOURS = 3;
const BAD_CHANCE = 0.01;
const PAUSE_MS = 40;

/** What went in: `partition/offset md5` of what must be a row, `partition/offset` of what cannot be. */
export interface Written {
  readonly rows: string[];
  readonly bad: string[];
}

/** Writes posts, and now and then a record that is none, until it is told that it is enough. */
export async function fillUntil(
  cluster: ClusterOptions,
  topic: string,
  seed: number,
  enough: AbortSignal,
  signal: AbortSignal,
): Promise<Written> {
  const random = seededRandom(seed ^ 0xf111);
  const written: Written = { rows: [], bad: [] };
  await using writer = await openFencedWriter({
    cluster,
    topic,
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => partition),
    transactionalId: `fault-${topic}`,
    compression: "lz4",
    signal,
  });
  for (let next = 0; !enough.aborted;) {
    const partition = Math.floor(random() * PARTITIONS);
    const records = Array.from({ length: 1 + Math.floor(random() * 120) }, () =>
      random() < BAD_CHANCE ? bad(next++) : post(seed, next++, random),
    );
    const first = await writer.append(partition, records);
    for (const [index, { value, key }] of records.entries()) {
      const id = `${partition}/${first + BigInt(index)}`;
      if (key === null) written.bad.push(id);
      else {
        const md5 = createHash("md5")
          .update(value ?? "")
          .digest("hex");
        written.rows.push(`${id} ${md5}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, random() * PAUSE_MS));
  }
  return written;
}

function post(seed: number, index: number, random: () => number): RecordToSend {
  const epochMs = EPOCH_MS + Math.floor(random() * HOURS) * 3_600_000;
  const made = postAt(seed % 1_000, index, epochMs);
  return {
    key: Buffer.from(made.id),
    value: Buffer.from(made.json),
    headers: [[headerNames.schema, Buffer.from(made.schema)]],
    timestampMs: made.createdAtMs,
  };
}

/** Without a key: that is how the oracle knows it. */
function bad(index: number): RecordToSend {
  const value = Buffer.from(`{"no post": ${index}`);
  return { key: null, value, headers: [], timestampMs: EPOCH_MS + index };
}

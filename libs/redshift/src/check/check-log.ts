import { randomUUID } from "node:crypto";
import type { Action, FlushRecord, Following, NumberedCommit } from "@hybridge/landing";
import { postAt } from "@hybridge/tweet";
import type { CheckOptions } from "./check.ts";

export const CHECK_POSTS = 30;
const EPOCH_MS = Date.UTC(2026, 10, 23, 9);
const TOPIC_ID = "check";
const LIST = "check";

/** A landing log that is nowhere but here, with files that lie in the bucket. */
export interface CheckLog {
  readonly uuid: string;
  /**
   * Lands the records of a partition and commits them: partition 0 has the posts, partition 1 the
   * deletion of the first one.
   *
   * @returns the number of the commit
   */
  land(partition: 0 | 1, signal: AbortSignal): Promise<number>;
  /** The commits after a number, as a catalog is given them. */
  after(number: number): Following;
}

export function checkLog({ store, encoder }: CheckOptions, topic: string): CheckLog {
  const uuid = randomUUID();
  const commits: NumberedCommit[] = [];
  return {
    uuid,
    async land(partition, signal) {
      const records = partition === 0 ? checkPosts().map(postRecord) : [deletionRecord()];
      await using buffer = encoder.open();
      buffer.append({ topic, topicId: TOPIC_ID, partition }, records);
      await using encoded = await buffer.encode({ landedAtMs: EPOCH_MS, signal });
      const files = [];
      for (const file of encoded.files) {
        const { dt, hr, rows, bytes, sha256 } = file;
        const path = `dt=${dt}/hr=${hr}/${randomUUID()}.parquet`;
        await store.upload(path, file, signal);
        files.push({ path, rows, bytes, sha256 });
      }
      const to = BigInt(records.length);
      const range = { partition, from: 0n, to, rows: records.length, dead: 0, md5Sum: 0n };
      const key = { cluster: "check", topic, topicId: TOPIC_ID };
      const actions: Action[] = [
        { do: "advance", ...key, ranges: [range] },
        { do: "add", columns: LIST, files },
      ];
      const number = commits.length + 1;
      const commit = {
        log: uuid,
        id: "",
        base: number - 1,
        at: EPOCH_MS,
        writer: "check",
        actions,
      };
      commits.push({ number, commit });
      return number;
    },
    after: (number) => ({
      from: { log: uuid, number },
      to: commits.length,
      commits: commits.filter((each) => each.number > number),
      columns: () => encoder.columns.names,
    }),
  };
}

/** The posts that are landed. */
export function checkPosts() {
  return Array.from({ length: CHECK_POSTS }, (_, index) => postAt(1, index, EPOCH_MS));
}

type Post = ReturnType<typeof checkPosts>[number];

function postRecord({ id, json, schema }: Post, index: number): FlushRecord {
  return record(BigInt(index), id, json, [["hybridge-schema", Buffer.from(schema)]]);
}

function deletionRecord(): FlushRecord {
  const { id } = postAt(1, 0, EPOCH_MS);
  const json = JSON.stringify({ delete: { tweet: { id }, event_at: "2026-11-23T10:00:00.000Z" } });
  const headers: FlushRecord["headers"] = [
    ["hybridge-schema", Buffer.from("x.v2")],
    ["hybridge-op", Buffer.from("delete")],
  ];
  return { ...record(0n, id, json, headers), timestampMs: EPOCH_MS + 3_600_000 };
}

function record(
  offset: bigint,
  id: string,
  json: string,
  headers: FlushRecord["headers"],
): FlushRecord {
  const timestampMs = EPOCH_MS + Number(offset);
  return { offset, timestampMs, key: Buffer.from(id), value: Buffer.from(json), headers };
}

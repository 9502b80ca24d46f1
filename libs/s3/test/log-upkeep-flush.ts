import type { FileReference, LandingLog, LocalFile, TopicKey } from "@hybridge/landing";

export const TOPIC: TopicKey = {
  cluster: "c1",
  topic: "hybrid",
  topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
};

type CommitContent = Parameters<LandingLog["prepare"]>[0];

/** One offset of partition 0 with one file, which an earlier one may be taken out for. */
export function flushOf(from: bigint, local: LocalFile, out?: FileReference): CommitContent {
  const range = { partition: 0, from, to: from + 1n, rows: 1, dead: 0, md5Sum: from };
  return {
    advances: [{ ...TOPIC, ranges: [range] }],
    columns: { id: "t1", names: ["id"] },
    files: [{ dt: "2026-11-26", hr: "14", suffix: ".parquet", rows: 1, local }],
    actions: out ? [{ do: "expire", out: [out] }] : [],
  };
}

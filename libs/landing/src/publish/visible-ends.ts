import type { LandingLog } from "../log/landing-log.ts";

/**
 * Up to which offset (exclusive) each partition of a topic is visible where a catalog shows
 * everything up to a commit: what the log has, without what later commits brought. Of a topic that
 * was made again, its newest life counts.
 */
export async function visibleEnds(
  log: LandingLog,
  topic: string,
  commit: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, bigint>> {
  const { state } = log;
  const newest = [...state.topics()].findLast((each) => each.topic === topic);
  if (!newest) return new Map();
  const ends = new Map<number, bigint>();
  for (const [partition, { position }] of newest.partitions) ends.set(partition, position.from);
  const lower = (partition: number, end: bigint) => {
    if (end < (ends.get(partition) ?? 0n)) ends.set(partition, end);
  };
  for await (const later of log.readCommits({ after: commit, to: state.tip }, signal)) {
    for (const action of later.commit.actions) {
      const isOurs = "topicId" in action && action.topicId === newest.topicId;
      if (!isOurs) continue;
      if (action.do === "gap") lower(action.partition, action.from);
      else for (const { partition, from } of action.ranges) lower(partition, from);
    }
  }
  return ends;
}

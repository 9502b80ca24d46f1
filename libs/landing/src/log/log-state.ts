import type { PartitionCoverage, TopicCoverage, TopicIdentity } from "./coverage.ts";
import type { FoldedLog, LogCounters, LogFold, RecentGap, Sweep } from "./fold.ts";
import type { Hole } from "./intervals.ts";
import type { OffsetRange } from "./protocol.ts";
import type { Traffic, TrafficMeter } from "./traffic.ts";

export type { PartitionCoverage, TopicCoverage };

/** What a process knows of a log: a live view, as of its last look at the end. */
export interface LogState {
  /** UUID of the log. */
  readonly log: string;
  readonly table: string;
  /** Number of the last commit. */
  readonly tip: number;
  /** The greatest `at`. */
  readonly at: number;
  /** Commits with a base below are void. */
  readonly floor: number;
  readonly counters: Readonly<LogCounters>;
  /** The first hole. A partition that was never seen has one from 0 on, without an end. */
  position(topic: TopicIdentity, partition: number): Hole;
  /** All of the range. */
  isCovered(topic: TopicIdentity, partition: number, range: OffsetRange): boolean;
  topics(): Iterable<TopicCoverage>;
  columnsOf(id: string): readonly string[] | undefined;
  /** The newest hundred, without those of `start`; the newest last. */
  readonly recentGaps: readonly RecentGap[];
  /** Commits that raised the floor, of the last two days; the newest last. */
  readonly sweeps: readonly Sweep[];
  traffic(nowMs: number): Traffic;
}

/** A view of the fold that is the present one whenever it is asked. */
export function viewOf(fold: () => LogFold, traffic: () => TrafficMeter): LogState {
  const folded = (): FoldedLog => fold().folded;
  return {
    get log() {
      return folded().log;
    },
    get table() {
      return folded().table;
    },
    get tip() {
      return folded().number;
    },
    get at() {
      return folded().at;
    },
    get floor() {
      return fold().floor;
    },
    get counters() {
      return folded().counters;
    },
    get recentGaps() {
      return folded().gaps;
    },
    get sweeps() {
      return folded().sweeps;
    },
    position: (topic, partition) => folded().coverage.position(topic, partition),
    isCovered: (topic, partition, range) => folded().coverage.isCovered(topic, partition, range),
    topics: () => folded().coverage.topics(),
    columnsOf: (id) => folded().columns.get(id),
    traffic: (nowMs) => traffic().traffic(nowMs),
  };
}

import type { Emit, MonotonicClock, Semaphore } from "@hybridge/core";
import type { Cluster, Fetcher } from "@hybridge/kafka/raw";
import type { ByteBudget } from "./sending/byte-budget.ts";
import type { DeadLetters } from "./tenure/dead-letters.ts";
import type { MergePolicy } from "./tenure/outbox.ts";
import type { Positions } from "./positions/positions.ts";
import type { TargetWatch } from "./topics/target-watch.ts";
import type { Sender } from "./sending/sender.ts";

/** What all partitions of a mirror share. */
export interface MirrorContext {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly fetcher: Fetcher;
  readonly sender: Sender;
  readonly positions: Positions;
  readonly targets: TargetWatch;
  readonly deadLetters: DeadLetters;
  readonly budget: ByteBudget;
  readonly emit: Emit;
  readonly clock: MonotonicClock;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly merge: MergePolicy;
  /** Part of every transactional id: two mirrors of one pair of clusters must share it. */
  readonly mirrorId: string;
  /** What to do when the source lost records before they were mirrored. */
  readonly onTruncation: "continue" | "stop";
  /** What to do when the target lost records that it had acknowledged. */
  readonly onTargetLoss: "stop" | "copy";
  /** What to do when a target topic is gone that records were mirrored to. */
  readonly onTargetDeletion: "stop" | "copy";
  /** What to do when the source topic was deleted and created again. */
  readonly onRecreation: "continue" | "stop";
  /**
   * How often a running partition fences anew. The coordinator forgets a transactional id that is
   * not used for long; a later owner would then get another producer id, which fences nobody.
   */
  readonly renewEveryMs: number;
  /** How long a transaction of the source may hold a partition back before that is told. */
  readonly openTransactionMs: number;
  /** Lets a bounded number of partitions take over at a time. */
  readonly takeOvers: Semaphore;
  /** What the target takes in one batch of a topic. */
  readonly batchBytesMax: (topic: string, signal: AbortSignal) => Promise<number>;
}

import type { Emit, MonotonicClock } from "@hybridge/core";
import type { ClusterOptions } from "../api.ts";

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What a member is told. The calls for one partition alternate: assigned, then revoked or lost, and
 * only then assigned again. None of them may throw.
 */
export interface AssignmentListener {
  /** From now on these are this member's, besides those that it has. */
  assigned(partitions: readonly TopicPartition[]): void;
  /**
   * These are to be given up: stop fetching, settle what is under way, then resolve. Resolving is
   * the acknowledgement that lets the coordinator give them to another member; heartbeats go on
   * meanwhile. The signal is aborted when the partitions are lost before that: nothing needs to be
   * settled then.
   */
  revoked(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>;
  /**
   * These are somebody else's already, or may be: the session ran out, the coordinator fenced this
   * member, or a revocation took longer than the rebalance time-out. Partitions that were being
   * revoked are among them. The member joins again by itself.
   */
  lost(partitions: readonly TopicPartition[]): void;
}

/**
 * How partitions are shared: `consumer` is KIP-848 (ConsumerGroupHeartbeat, Kafka 4.0 and later),
 * `classic` is JoinGroup and SyncGroup with cooperative-sticky assignment (KIP-429), `auto` is the
 * first where the broker has it. Members of both kinds share one group while it is moved over.
 */
export type GroupProtocol = "auto" | "consumer" | "classic";

export interface MembershipOptions {
  readonly cluster: ClusterOptions;
  readonly group: string;
  readonly topics: readonly string[];
  readonly listener: AssignmentListener;
  /**
   * Ends the membership: the member leaves the group and what it has is lost. It must outlive the
   * last flush; whoever wants to leave in peace settles first and disposes of the membership then.
   */
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly clock?: MonotonicClock;
  /** Default "auto". */
  readonly protocol?: GroupProtocol;
  /** Server-side assignor of KIP-848, "uniform" (sticky) or "range"; default the broker's first. */
  readonly assignor?: string;
  /**
   * After this time without an answered heartbeat everything is lost, by the monotonic clock;
   * default 45 s. With the classic protocol it is what the coordinator is asked for; KIP-848 has it
   * as a setting of the broker (group.consumer.session.timeout.ms), and this must not be longer.
   */
  readonly sessionTimeoutMs?: number;
  /** How long a revocation may take; must exceed the longest flush. Default 5 minutes. */
  readonly rebalanceTimeoutMs?: number;
  /** The most time between heartbeats; the broker's own interval counts if it is shorter. Default 2 s. */
  readonly heartbeatIntervalMs?: number;
}

export type MembershipState =
  /** Not in the group: looks for the coordinator, joins, or waits to try again. */
  | "joining"
  /** In the group, with everything that it is to have. */
  | "stable"
  /** In the group; partitions are being given up or waited for. */
  | "rebalancing"
  /** Disposed of, or the signal was aborted. */
  | "ended";

export interface MembershipStatus {
  readonly state: MembershipState;
  /** Which protocol is spoken; undefined before the first answer, "fixed" without a group. */
  readonly protocol: "consumer" | "classic" | "fixed" | undefined;
  /** The coordinator's name for this member; undefined outside of the group. */
  readonly memberId: string | undefined;
  /** Member epoch (KIP-848) or generation; -1 outside of the group. */
  readonly epoch: number;
  /** What this member has, those that are being revoked included. */
  readonly owned: readonly TopicPartition[];
  /** Why the member is not in the group, while it is not. */
  readonly problem: Error | undefined;
}

/** Where a partition is to go on: the offset of the next record. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: bigint;
}

/** A place in a consumer group, for assignment only: what is true is decided elsewhere. */
export interface Membership extends AsyncDisposable {
  /** As of the call; looks at the clock first, so a member that overslept its session has nothing. */
  status(): MembershipStatus;
  /** True while the partition is this member's. Looks at the clock first, and drops all if need be. */
  owns(topic: string, partition: number): boolean;
  /**
   * Commits offsets as hints for lag tools and autoscalers (kafka-consumer-groups.sh, KEDA);
   * nothing reads them back. Never rejects: the first failure is told as an event, further ones at
   * debug level until one commit succeeds. Those of partitions that are not owned are left out.
   */
  commit(offsets: readonly CommittedOffset[]): Promise<void>;
  /**
   * Leaves the group at once, so that the others go on without waiting for the session to run out.
   * No listener is called any more: settle before. Waits at most 3 s for the coordinator.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Joins a group in the background and stays in it, whatever happens to brokers, until disposed of. */
export type OpenMembership = (options: MembershipOptions) => Membership;

export interface FixedMembershipOptions {
  readonly cluster: ClusterOptions;
  /** Offsets are committed here, which the coordinator allows while the group has no members. */
  readonly group: string;
  readonly partitions: readonly TopicPartition[];
  readonly listener: Pick<AssignmentListener, "assigned">;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** The same without a group: these partitions, from the next turn of the event loop on, for good. */
export type FixedMembership = (options: FixedMembershipOptions) => Membership;

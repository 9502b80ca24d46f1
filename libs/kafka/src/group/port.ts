import type { OffsetCommit } from "../wire/offset-commit.ts";
import type {
  JoinAnswer,
  JoinRequest,
  MemberIdentity,
  SyncAnswer,
  SyncRequest,
} from "../wire/classic-group.ts";
import type { ConsumerHeartbeat, ConsumerHeartbeatAnswer } from "../wire/consumer-group.ts";

/** A topic as the members of a group need it. */
export interface GroupTopic {
  readonly name: string;
  /** 32 hex digits; all zeros before broker 2.8. */
  readonly id: string;
  readonly partitions: number;
}

/** How a member of one group asks for something: where the answer is an error code, it is returned. */
export interface GroupPort {
  /** @throws UnsupportedBrokerError when the coordinator's broker does not know the request */
  consumerHeartbeat(
    request: ConsumerHeartbeat,
    options: RequestLimits,
  ): Promise<ConsumerHeartbeatAnswer>;
  /** Answers when all members have joined: not on the connection of the heartbeats. */
  join(request: JoinRequest, options: RequestLimits): Promise<JoinAnswer>;
  sync(request: SyncRequest, options: RequestLimits): Promise<SyncAnswer>;
  heartbeat(request: MemberIdentity, options: RequestLimits): Promise<number>;
  leave(request: MemberIdentity, options: RequestLimits): Promise<number>;
  commit(request: OffsetCommit, options: RequestLimits): Promise<number>;
  /** Forgets who coordinates the group: the next request asks for it. */
  forget(): void;
  /** Those of the topics that exist. */
  topics(names: readonly string[], signal: AbortSignal): Promise<readonly GroupTopic[]>;
}

export interface RequestLimits {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

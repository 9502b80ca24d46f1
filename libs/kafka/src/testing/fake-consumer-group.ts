import type { VirtualClock } from "@hybridge/core/testing";
import type { ConsumerHeartbeat, ConsumerHeartbeatAnswer } from "../wire/consumer-group.ts";
import { errorCode } from "../wire/protocol-errors.ts";
import type { FakeTopics } from "./fake-topics.ts";

interface Member {
  readonly memberId: string;
  epoch: number;
  previousEpoch: number;
  topics: readonly string[];
  rebalanceTimeoutMs: number;
  /** May be used; the coordinator gives them to nobody else. */
  assigned: Set<string>;
  /** Must be given up before the member gets the next epoch. */
  revoking: Set<string>;
  /** What the member says that it has. */
  reported: ReadonlySet<string>;
  heardAtMs: number;
  revokedSinceMs: number | undefined;
}

export interface FakeConsumerGroupOptions {
  readonly clock: VirtualClock;
  readonly topics: FakeTopics;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

/** A group by KIP-848, as the broker keeps it: epochs, targets and what has yet to be revoked. */
export class FakeConsumerGroup {
  readonly #options: FakeConsumerGroupOptions;
  readonly #members = new Map<string, Member>();
  #epoch = 0;
  #targets = new Map<string, ReadonlySet<string>>();
  #topicsVersion = -1;

  constructor(options: FakeConsumerGroupOptions) {
    this.#options = options;
  }

  get memberIds(): readonly string[] {
    return [...this.#members.keys()];
  }

  heartbeat(request: ConsumerHeartbeat): ConsumerHeartbeatAnswer {
    this.expire();
    const { memberId, memberEpoch } = request;
    if (memberEpoch < 0) {
      if (!this.#members.has(memberId)) return this.#error(errorCode.unknownMemberId);
      this.remove(memberId);
      return this.#answer(memberId, -1, undefined);
    }
    const existing = this.#members.get(memberId);
    if (!existing && memberEpoch > 0) return this.#error(errorCode.unknownMemberId);
    const member = existing ?? this.#add(memberId);
    const reported = request.owned && new Set(keysOf(request.owned));
    if (memberEpoch > 0 && !isEpochValid(member, memberEpoch, reported)) {
      return this.#error(errorCode.fencedMemberEpoch);
    }
    member.heardAtMs = this.#options.clock.monotonic();
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs ?? member.rebalanceTimeoutMs;
    if (reported) member.reported = reported;
    const isOther = request.topics && request.topics.join() !== member.topics.join();
    if (request.topics) member.topics = request.topics;
    if (!existing || isOther || this.#topicsVersion !== this.#options.topics.version) {
      this.#retarget();
    }
    const before = [...member.assigned].sort().join();
    const epochBefore = member.epoch;
    this.#reconcile(member);
    const isNews =
      request.topics !== undefined ||
      before !== [...member.assigned].sort().join() ||
      epochBefore !== member.epoch;
    return this.#answer(memberId, member.epoch, isNews ? member.assigned : undefined);
  }

  /** 0, or why a commit is refused. */
  commit(memberId: string, epoch: number): number {
    const member = this.#members.get(memberId);
    if (!member) return errorCode.unknownMemberId;
    return member.epoch === epoch ? errorCode.none : errorCode.staleMemberEpoch;
  }

  remove(memberId: string): void {
    if (!this.#members.delete(memberId)) return;
    this.#retarget();
  }

  /** Another broker coordinates now: it has everything, and waits for everybody a whole session. */
  moved(): void {
    for (const member of this.#members.values()) {
      member.heardAtMs = this.#options.clock.monotonic();
    }
  }

  expire(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const member of [...this.#members.values()]) {
      const { heardAtMs, revokedSinceMs, rebalanceTimeoutMs, memberId } = member;
      const isSilent = nowMs > heardAtMs + this.#options.sessionTimeoutMs;
      const isSlow = revokedSinceMs !== undefined && nowMs > revokedSinceMs + rebalanceTimeoutMs;
      if (isSilent || isSlow) this.remove(memberId);
    }
  }

  #add(memberId: string): Member {
    const member: Member = {
      memberId,
      epoch: 0,
      previousEpoch: 0,
      topics: [],
      rebalanceTimeoutMs: 0,
      assigned: new Set(),
      revoking: new Set(),
      reported: new Set(),
      heardAtMs: 0,
      revokedSinceMs: undefined,
    };
    this.#members.set(memberId, member);
    return member;
  }

  /** A new group epoch, and what everybody is to have in it: sticky and even. */
  #retarget(): void {
    this.#epoch += 1;
    this.#topicsVersion = this.#options.topics.version;
    const ids = [...this.#members.keys()].sort();
    const old = this.#targets;
    this.#targets = new Map();
    if (ids.length === 0) return;
    const all = this.#options.topics.keys();
    const least = Math.floor(all.length / ids.length);
    let rest = all.length % ids.length;
    const mine = new Map(ids.map((id) => [id, new Set<string>()]));
    const left = all.filter((key) => {
      const owner = ids.find((id) => old.get(id)?.has(key));
      const set = owner === undefined ? undefined : mine.get(owner);
      if (!set || set.size > least || (set.size === least && rest === 0)) return true;
      if (set.size === least) rest -= 1;
      set.add(key);
      return false;
    });
    for (const key of left) {
      const [lightest] = [...mine.values()].sort((a, b) => a.size - b.size);
      lightest?.add(key);
    }
    this.#targets = mine;
  }

  #reconcile(member: Member): void {
    const target = this.#targets.get(member.memberId) ?? new Set<string>();
    if ([...member.revoking].some((key) => member.reported.has(key))) return;
    member.revoking = new Set();
    member.revokedSinceMs = undefined;
    const surplus = [...member.assigned].filter((key) => !target.has(key));
    if (surplus.length > 0) {
      for (const key of surplus) member.assigned.delete(key);
      const held = surplus.filter((key) => member.reported.has(key));
      if (held.length > 0) {
        member.revoking = new Set(held);
        member.revokedSinceMs = this.#options.clock.monotonic();
        return;
      }
    }
    for (const key of target) if (this.#isFree(key, member)) member.assigned.add(key);
    if (member.epoch !== this.#epoch) member.previousEpoch = member.epoch;
    member.epoch = this.#epoch;
  }

  #isFree(key: string, member: Member): boolean {
    for (const other of this.#members.values()) {
      if (other !== member && (other.assigned.has(key) || other.revoking.has(key))) return false;
    }
    return true;
  }

  #error(error: number): ConsumerHeartbeatAnswer {
    return { ...this.#answer("", -1, undefined), error };
  }

  #answer(
    memberId: string,
    memberEpoch: number,
    assigned: ReadonlySet<string> | undefined,
  ): ConsumerHeartbeatAnswer {
    const byTopic = assigned && Map.groupBy(assigned, (key) => key.slice(0, key.indexOf("/")));
    return {
      error: errorCode.none,
      message: null,
      memberId,
      memberEpoch,
      heartbeatIntervalMs: this.#options.heartbeatIntervalMs,
      assignment:
        byTopic &&
        [...byTopic].map(([topicId, keys]) => ({
          topicId,
          partitions: keys.map((key) => Number(key.slice(key.indexOf("/") + 1))),
        })),
    };
  }
}

function keysOf(owned: NonNullable<ConsumerHeartbeat["owned"]>): string[] {
  return owned.flatMap(({ topicId, partitions }) =>
    partitions.map((partition) => `${topicId}/${partition}`),
  );
}

/** The last answer may have been lost: the epoch before is good enough from one who has no more than his. */
function isEpochValid(
  member: Member,
  epoch: number,
  reported: ReadonlySet<string> | undefined,
): boolean {
  if (epoch === member.epoch) return true;
  if (epoch !== member.previousEpoch || !reported) return false;
  return reported.isSubsetOf(member.assigned);
}

import { MalformedError } from "../errors.ts";
import type { JoinAnswer } from "../wire/classic-group.ts";
import { brokerError, errorCode } from "../wire/protocol-errors.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../wire/subscription.ts";
import { isCoordinatorAway, keyByName, Life, type LifeContext } from "./life.ts";
import type { RequestLimits } from "./port.ts";
import { Alarm } from "./session.ts";
import { assignSticky, type GroupMember } from "./sticky-assignor.ts";

/** The name under which the Java consumer has the same rules. */
const ASSIGNOR = "cooperative-sticky";
/** How often a leader looks whether its topics have grown. */
const TOPICS_INTERVAL_MS = 2_000;

/**
 * A member by the classic protocol: all join, the coordinator's choice of a leader assigns. The
 * cooperative kind (KIP-429): who joins again keeps what he has, and nobody stops but for what
 * moves. Joins run beside the heartbeats, on another connection.
 */
export class ClassicLife extends Life {
  readonly protocol = "classic";
  readonly #rejoin: Alarm;
  #memberId = "";
  #generation = -1;
  /** True from before a join is sent until its assignment has come. */
  #isJoining = true;
  #isLeader = false;
  /** An assignment has come: the member has a place. */
  #isIn = false;
  #counts: ReadonlyMap<string, number> = new Map();
  #reason = "the member is new";

  constructor(context: LifeContext) {
    super(context);
    this.#rejoin = new Alarm(context.clock);
    context.ownership.onSettled = () => this.#joinAgain("partitions were given up");
  }

  get memberId(): string {
    return this.#memberId;
  }

  get epoch(): number {
    return this.#generation;
  }

  get isStable(): boolean {
    return !this.#isJoining && this.context.ownership.isSettled;
  }

  protected loops(signal: AbortSignal): readonly Promise<void>[] {
    return [this.#join(signal), this.#heartbeats(signal), this.#watchTopics(signal)];
  }

  async leave(limits: RequestLimits): Promise<void> {
    if (this.#memberId === "") return;
    const { group, port } = this.context;
    await port.leave({ group, memberId: this.#memberId, generation: this.#generation }, limits);
  }

  #joinAgain(reason: string): void {
    this.#reason = reason;
    this.#rejoin.ring();
  }

  async #join(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#isJoining = true;
      let isIn = false;
      try {
        isIn = await this.#joinOnce(signal);
      } catch (error) {
        signal.throwIfAborted();
        this.context.onProblem(error as Error);
        await this.pause(signal);
      }
      if (isIn) await this.#rejoin.wait(signal);
    }
  }

  /** @returns true when an assignment came; otherwise it is to be tried again at once */
  async #joinOnce(signal: AbortSignal): Promise<boolean> {
    const { clock, ownership, port, rebalanceTimeoutMs, onProblem, onJoined } = this.context;
    const answer = await port.join(this.#request(), {
      signal,
      // The coordinator waits that long for the others.
      timeoutMs: rebalanceTimeoutMs + 10_000,
    });
    if (answer.error === errorCode.memberIdRequired) {
      this.#memberId = answer.memberId;
      return false;
    }
    if (answer.error !== errorCode.none) return await this.#refused("join", answer.error, signal);
    if (this.#generation < 0) this.session.answered(clock.monotonic());
    this.#memberId = answer.memberId;
    this.#generation = answer.generation;
    const assignments = await this.#lead(answer, signal);
    const sentAtMs = clock.monotonic();
    const { error, assignment } = await port.sync(
      {
        group: this.context.group,
        memberId: this.#memberId,
        generation: answer.generation,
        protocol: ASSIGNOR,
        assignments,
      },
      { signal, timeoutMs: rebalanceTimeoutMs + 10_000 },
    );
    if (error !== errorCode.none) return await this.#refused("sync with", error, signal);
    this.session.answered(sentAtMs);
    // The answer may have lain there while this process was stopped.
    if (this.isOver) return false;
    this.#isJoining = false;
    this.backoff.reset();
    onProblem(undefined);
    if (!this.#isIn) onJoined(this);
    this.#isIn = true;
    const target = decodeAssignment(assignment).map((at) => ({ ...at, key: keyByName(at) }));
    ownership.aim(target, sentAtMs + rebalanceTimeoutMs);
    return true;
  }

  #request() {
    const { group, topics, rack, ownership, sessionTimeoutMs, rebalanceTimeoutMs } = this.context;
    const generation = this.#generation;
    return {
      group,
      memberId: this.#memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocol: ASSIGNOR,
      metadata: encodeSubscription({ topics, owned: ownership.owned, generation, rack }),
      reason: this.#reason,
    };
  }

  /** What the others get, if this member was made the leader. */
  async #lead({ leader, memberId, members, skipAssignment }: JoinAnswer, signal: AbortSignal) {
    this.#isLeader = leader === memberId;
    if (!this.#isLeader) return [];
    const all = members.map((member) => ({
      ...readSubscription(member.metadata),
      memberId: member.memberId,
    }));
    this.#counts = await this.#count([...new Set(all.flatMap(({ topics }) => topics))], signal);
    if (skipAssignment) return [];
    return [...assignSticky(all, this.#counts)].map(([member, partitions]) => ({
      memberId: member,
      assignment: encodeAssignment(partitions),
    }));
  }

  async #refused(what: string, code: number, signal: AbortSignal): Promise<false> {
    const { group, port, onProblem } = this.context;
    if (code === errorCode.rebalanceInProgress) return false;
    if (code === errorCode.unknownMemberId || code === errorCode.illegalGeneration) {
      this.#givenUp();
      return false;
    }
    if (isCoordinatorAway(code)) port.forget();
    const need = { operation: "Read", name: group } as const;
    onProblem(brokerError(`${what} group ${group}`, code, null, need));
    await this.pause(signal);
    return false;
  }

  #givenUp(): void {
    this.end({ kind: "lost", why: "the coordinator has given its place up" });
  }

  async #heartbeats(signal: AbortSignal): Promise<void> {
    const { clock, heartbeatIntervalMs } = this.context;
    for (;;) {
      const isAnswered = this.#generation < 0 || (await this.#heartbeat(signal));
      if (isAnswered) await clock.sleep(heartbeatIntervalMs, signal);
      else await this.pause(signal);
    }
  }

  /** @returns false when it is to be tried again soon */
  async #heartbeat(signal: AbortSignal): Promise<boolean> {
    const { clock, group, port, onProblem } = this.context;
    this.check();
    signal.throwIfAborted();
    const generation = this.#generation;
    const sentAtMs = clock.monotonic();
    let error: number;
    try {
      const identity = { group, memberId: this.#memberId, generation };
      error = await port.heartbeat(identity, { ...this.limits, signal });
    } catch (cause) {
      signal.throwIfAborted();
      onProblem(cause as Error);
      return false;
    }
    this.check();
    signal.throwIfAborted();
    return this.#heard(error, generation, sentAtMs);
  }

  #heard(error: number, generation: number, sentAtMs: number): boolean {
    const { group, port, onProblem } = this.context;
    if (error === errorCode.none || error === errorCode.rebalanceInProgress) {
      this.session.answered(sentAtMs);
      if (!this.#isJoining) {
        onProblem(undefined);
        if (error !== errorCode.none) this.#joinAgain("the group rebalances");
      }
      return true;
    }
    if (error === errorCode.illegalGeneration) {
      // The next generation began, and what tells us is still on its way.
      if (!this.#isJoining && generation === this.#generation) this.#givenUp();
      return true;
    }
    if (error === errorCode.unknownMemberId) {
      this.#givenUp();
      return true;
    }
    if (isCoordinatorAway(error)) port.forget();
    onProblem(brokerError(`send a heartbeat to group ${group}`, error));
    return false;
  }

  async #watchTopics(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.context.clock.sleep(TOPICS_INTERVAL_MS, signal);
      if (!this.#isLeader || this.#isJoining) continue;
      const before = this.#counts;
      const now = await this.#count([...before.keys()], signal).catch(() => before);
      const isOther = [...before].some(([topic, count]) => now.get(topic) !== count);
      if (isOther && this.#counts === before) this.#joinAgain("the topics have changed");
    }
  }

  /** Partitions by topic; 0 for one that does not exist (yet). */
  async #count(names: readonly string[], signal: AbortSignal): Promise<Map<string, number>> {
    const topics = await this.context.port.topics(names, signal);
    const counts = new Map(names.map((name) => [name, 0]));
    for (const { name, partitions } of topics) counts.set(name, partitions);
    return counts;
  }
}

function readSubscription(metadata: Buffer): Omit<GroupMember, "memberId"> {
  try {
    return decodeSubscription(metadata);
  } catch (error) {
    // Somebody else's bytes must not keep the whole group from its partitions.
    if (!(error instanceof MalformedError)) throw error;
    return { topics: [], owned: [], generation: -1 };
  }
}

import { UnsupportedBrokerError } from "../errors.ts";
import type { ConsumerHeartbeat, ConsumerHeartbeatAnswer } from "../wire/consumer-group.ts";
import { brokerError, errorCode } from "../wire/protocol-errors.ts";
import { isCoordinatorAway, Life, type LifeContext } from "./life.ts";
import type { Assigned } from "./ownership.ts";
import type { RequestLimits } from "./port.ts";
import { Alarm } from "./session.ts";

const JOIN = 0;
const LEAVE = -1;

/** A member by KIP-848: one kind of request says and hears everything, the coordinator assigns. */
export class ConsumerLife extends Life {
  readonly protocol = "consumer";
  readonly #alarm: Alarm;
  readonly #unresolved: Alarm;
  readonly #names = new Map<string, string>();
  #memberId: string;
  #epoch = JOIN;
  #intervalMs: number;
  /** The version of what is owned that the coordinator knows; undefined: it has to be told all. */
  #toldVersion: number | undefined;
  #assignment: ConsumerHeartbeatAnswer["assignment"];
  #deadlineMs = Infinity;

  /** @param memberId chosen by this side (KIP-1082), and kept from life to life */
  constructor(context: LifeContext, memberId: string) {
    super(context);
    this.#memberId = memberId;
    this.#alarm = new Alarm(context.clock);
    this.#unresolved = new Alarm(context.clock);
    this.#intervalMs = context.heartbeatIntervalMs;
    context.ownership.onSettled = () => this.#alarm.ring();
  }

  get memberId(): string {
    return this.#memberId;
  }

  get epoch(): number {
    return this.#epoch === JOIN ? -1 : this.#epoch;
  }

  get isStable(): boolean {
    const { ownership } = this.context;
    return this.#epoch !== JOIN && ownership.isSettled && this.#toldVersion === ownership.version;
  }

  protected loops(signal: AbortSignal): readonly Promise<void>[] {
    return [this.#heartbeats(signal), this.#resolve(signal)];
  }

  async leave(limits: RequestLimits): Promise<void> {
    const { port, group } = this.context;
    const memberId = this.#memberId;
    await port.consumerHeartbeat({ group, memberId, memberEpoch: LEAVE }, limits);
  }

  async #heartbeats(signal: AbortSignal): Promise<void> {
    for (;;) {
      const isAnswered = await this.#heartbeat(signal);
      if (isAnswered) await this.#alarm.wait(signal, this.#intervalMs);
      else {
        // The answer may have been lost, and with it an assignment.
        this.#toldVersion = undefined;
        await this.pause(signal);
      }
    }
  }

  /** @returns false when it is to be tried again */
  async #heartbeat(signal: AbortSignal): Promise<boolean> {
    const { port, ownership, clock, onProblem } = this.context;
    this.check();
    signal.throwIfAborted();
    const version = ownership.version;
    const sentAtMs = clock.monotonic();
    let answer: ConsumerHeartbeatAnswer;
    try {
      answer = await port.consumerHeartbeat(this.#compose(version), { ...this.limits, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnsupportedBrokerError) this.end({ kind: "unsupported", error });
      onProblem(error as Error);
      return false;
    }
    // Nothing that came after the session's end counts.
    this.check();
    signal.throwIfAborted();
    if (answer.error !== errorCode.none) return this.#refused(answer);
    this.#accept(answer, sentAtMs, version);
    return true;
  }

  #compose(version: number): ConsumerHeartbeat {
    const { group, rack, rebalanceTimeoutMs, topics, assignor, ownership } = this.context;
    const identity = { group, memberId: this.#memberId, memberEpoch: this.#epoch };
    if (this.#toldVersion === version) return identity;
    const owned = idsOf(ownership.owned);
    if (this.#toldVersion !== undefined) return { ...identity, owned };
    return { ...identity, rack, rebalanceTimeoutMs, topics, assignor, owned };
  }

  #accept(answer: ConsumerHeartbeatAnswer, sentAtMs: number, version: number): void {
    const { onProblem, onJoined, heartbeatIntervalMs, rebalanceTimeoutMs } = this.context;
    const isNew = this.#epoch === JOIN;
    this.session.answered(sentAtMs);
    this.backoff.reset();
    onProblem(undefined);
    this.#memberId = answer.memberId ?? this.#memberId;
    this.#epoch = answer.memberEpoch;
    this.#intervalMs = Math.min(heartbeatIntervalMs, answer.heartbeatIntervalMs);
    this.#toldVersion = version;
    // The answer may have lain there while this process was stopped.
    if (this.isOver) return;
    if (isNew) onJoined(this);
    if (!answer.assignment) return;
    this.#assignment = answer.assignment;
    this.#deadlineMs = sentAtMs + rebalanceTimeoutMs;
    this.#aim();
  }

  #refused({ error, message }: ConsumerHeartbeatAnswer): boolean {
    const { port, group, onProblem } = this.context;
    const isGroupGone = error === errorCode.groupIdNotFound && this.#epoch !== JOIN;
    if (
      error === errorCode.unknownMemberId ||
      error === errorCode.fencedMemberEpoch ||
      isGroupGone
    ) {
      this.end({ kind: "lost", why: "the coordinator has given its place up" });
      return true;
    }
    const need = { operation: "Read", name: group } as const;
    const problem = brokerError(`be a member of group ${group}`, error, message, need);
    if (error === errorCode.unsupportedVersion || error === errorCode.groupIdNotFound) {
      this.end({ kind: "unsupported", error: problem });
      return true;
    }
    if (isCoordinatorAway(error)) port.forget();
    onProblem(problem);
    return false;
  }

  #aim(): void {
    const { ownership } = this.context;
    if (this.isOver) return;
    const target: Assigned[] = [];
    let isWhole = true;
    for (const { topicId, partitions } of this.#assignment ?? []) {
      const topic = this.#names.get(topicId);
      if (topic === undefined) isWhole = false;
      else {
        for (const partition of partitions) {
          target.push({ topic, partition, key: `${topicId}/${partition}` });
        }
      }
    }
    ownership.aim(target, this.#deadlineMs);
    if (ownership.version !== this.#toldVersion) this.#alarm.ring();
    if (!isWhole) this.#unresolved.ring();
  }

  /** Looks the names of topic ids up, besides the heartbeats. */
  async #resolve(signal: AbortSignal): Promise<void> {
    const { port, topics, onProblem } = this.context;
    for (;;) {
      await this.#unresolved.wait(signal);
      try {
        for (const { id, name } of await port.topics(topics, signal)) this.#names.set(id, name);
      } catch (error) {
        signal.throwIfAborted();
        onProblem(error as Error);
      }
      this.#aim();
      await this.context.clock.sleep(250, signal);
    }
  }
}

function idsOf(owned: readonly Assigned[]) {
  const byTopic = Map.groupBy(owned, ({ key }) => key.slice(0, key.indexOf("/")));
  return [...byTopic].map(([topicId, entries]) => ({
    topicId,
    partitions: entries.map(({ partition }) => partition),
  }));
}

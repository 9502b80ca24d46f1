import { randomUUID } from "node:crypto";
import { Backoff, systemClock, type MonotonicClock } from "@hybridge/core";
import { Cluster } from "../cluster.ts";
import type {
  CommittedOffset,
  GroupProtocol,
  Membership,
  MembershipOptions,
  MembershipState,
  MembershipStatus,
  OpenMembership,
} from "./api.ts";
import { ClassicLife } from "./classic-life.ts";
import { ConsumerLife } from "./consumer-life.ts";
import { CoordinatorClient } from "./coordinator-client.ts";
import { HintCommitter } from "./hints.ts";
import type { Life, LifeContext, LifeEnd } from "./life.ts";
import { Ownership } from "./ownership.ts";
import type { GroupPort } from "./port.ts";

const SESSION_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 300_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
const LEAVE_TIMEOUT_MS = 3_000;

export const openMembership: OpenMembership = (options) => {
  const cluster = new Cluster(options.cluster);
  const port = new CoordinatorClient(cluster, options.group);
  const close = () => cluster[Symbol.asyncDispose]();
  return new GroupMembership(options, { port, close, newId: randomUUID, random: Math.random });
};

/** What a membership does not find in its options: the way to the coordinator, and chance. */
export interface MembershipPorts {
  readonly port: GroupPort;
  readonly close: () => Promise<void>;
  readonly newId: () => string;
  readonly random: () => number;
}

/** Which protocol a new life is tried with. */
function first(protocol: GroupProtocol): "consumer" | "classic" {
  return protocol === "classic" ? "classic" : "consumer";
}

/** Lives one life after the other in a group, until it is disposed of. */
export class GroupMembership implements Membership {
  readonly #options: MembershipOptions;
  readonly #ports: MembershipPorts;
  readonly #clock: MonotonicClock;
  readonly #ownership: Ownership;
  readonly #context: LifeContext;
  readonly #hints: HintCommitter;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #life: Life | undefined;
  #isIn = false;
  #problem: Error | undefined;
  #consumerId: string;

  constructor(options: MembershipOptions, ports: MembershipPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#consumerId = ports.newId();
    const { port, random } = ports;
    const { clock = systemClock, listener, emit, group } = options;
    this.#clock = clock;
    this.#ownership = new Ownership({ listener, emit, group });
    this.#hints = new HintCommitter(port, group, emit);
    this.#context = {
      port,
      ownership: this.#ownership,
      clock,
      group,
      topics: options.topics,
      rack: options.cluster.rack,
      assignor: options.assignor,
      sessionTimeoutMs: options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? REBALANCE_TIMEOUT_MS,
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_MS,
      random,
      onProblem: (problem) => this.#onProblem(problem),
      onJoined: (life) => this.#onJoined(life),
    };
    const signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#running = this.#run(signal);
  }

  status(): MembershipStatus {
    this.#life?.check();
    const life = this.#isIn ? this.#life : undefined;
    return {
      state: this.#state(),
      protocol: life?.protocol,
      memberId: life?.memberId,
      epoch: life?.epoch ?? -1,
      owned: this.#ownership.owned.map(({ topic, partition }) => ({ topic, partition })),
      problem: this.#problem,
    };
  }

  owns(topic: string, partition: number): boolean {
    this.#life?.check();
    return this.#ownership.has(topic, partition);
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    const owned = offsets.filter(({ topic, partition }) => this.owns(topic, partition));
    await this.#hints.commit(owned, () => {
      const life = this.#isIn ? this.#life : undefined;
      return life && { memberId: life.memberId, epoch: life.epoch };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ownership.silence();
    this.#stop.abort(new Error("the membership was disposed of"));
    await this.#running;
  }

  #state(): MembershipState {
    if (this.#stop.signal.aborted || this.#options.signal.aborted) return "ended";
    if (!this.#isIn) return "joining";
    return this.#life?.isStable === true ? "stable" : "rebalancing";
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { protocol = "auto" } = this.#options;
    const { random } = this.#ports;
    const clock = this.#clock;
    const backoff = new Backoff({ baseMs: 100, maxMs: 5_000, calmMs: 60_000, clock, random });
    let kind = first(protocol);
    try {
      while (!signal.aborted) {
        const life = this.#begin(kind);
        const end = await life.run(signal);
        const wasIn = this.#isIn;
        this.#isIn = false;
        if (!end) this.#ownership.lose();
        await this.#depart(life, end);
        if (!end) break;
        kind = protocol === "auto" && end.kind === "unsupported" ? "classic" : first(protocol);
        this.#onEnd(end, wasIn, kind);
        const isFallBack = end.kind === "unsupported" && kind === "classic";
        if (!isFallBack) await clock.sleep(backoff.failed(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#ports.close();
    }
  }

  #begin(kind: "consumer" | "classic"): Life {
    const life =
      kind === "classic"
        ? new ClassicLife(this.#context)
        : new ConsumerLife(this.#context, this.#consumerId);
    this.#life = life;
    return life;
  }

  /** So that nobody waits for a member that will not come back. What is fenced is gone already. */
  async #depart(life: Life, end: LifeEnd | undefined): Promise<void> {
    // By KIP-848 the same id joins again, which says it all.
    if (end && life.protocol === "consumer") return;
    const timeout = new AbortController();
    const over = this.#clock.sleep(LEAVE_TIMEOUT_MS, timeout.signal).catch(() => undefined);
    const limits = { signal: timeout.signal, timeoutMs: LEAVE_TIMEOUT_MS };
    // A coordinator that cannot be reached finds out by itself when the session runs out.
    await Promise.race([life.leave(limits).catch(() => undefined), over]);
    timeout.abort();
  }

  #onJoined(life: Life): void {
    const { group, emit } = this.#options;
    this.#isIn = true;
    const { memberId, protocol, epoch } = life;
    const message = `joined group ${group} by the ${protocol} protocol`;
    const fields = { group, memberId, protocol, epoch };
    emit({ name: "kafka.group.joined", level: "info", message, fields });
  }

  #onEnd(end: LifeEnd, wasIn: boolean, next: "consumer" | "classic"): void {
    const { group, emit, protocol = "auto" } = this.#options;
    if (end.kind === "lost") {
      const message = `lost the place in group ${group}, and with it all partitions: ${end.why}; joining again`;
      const level = end.error !== undefined ? "error" : wasIn ? "warn" : "debug";
      emit({ name: "kafka.group.lost", level, message, error: end.error });
    } else if (protocol === "auto") {
      const message = `group ${group} is joined by the ${next} protocol: the other one is not offered`;
      emit({ name: "kafka.group.fell_back", level: "info", message, error: end.error });
    }
  }

  #onProblem(problem: Error | undefined): void {
    const isNew = this.#problem === undefined;
    this.#problem = problem;
    if (!problem || !isNew) return;
    const { group, emit } = this.#options;
    const [level, what] = this.#isIn
      ? (["debug", "the coordinator of group"] as const)
      : (["warn", "no place yet in group"] as const);
    const message = `${what} ${group}: ${problem.message}; it is tried again`;
    emit({ name: "kafka.group.waiting", level, message, error: problem });
  }
}

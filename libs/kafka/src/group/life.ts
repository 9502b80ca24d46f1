import { Backoff, type MonotonicClock } from "@hybridge/core";
import type { TopicPartition } from "./api.ts";
import { errorCode } from "../wire/protocol-errors.ts";
import type { Ownership } from "./ownership.ts";
import type { GroupPort, RequestLimits } from "./port.ts";
import { Session } from "./session.ts";

/** At the least; a time-out that ends sooner is waited for exactly. */
const WATCH_MS = 1_000;

/** What lives of a membership have in common. */
export interface LifeContext {
  readonly port: GroupPort;
  readonly ownership: Ownership;
  readonly clock: MonotonicClock;
  readonly group: string;
  readonly topics: readonly string[];
  readonly rack: string | undefined;
  readonly assignor: string | undefined;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly random: () => number;
  /** Something keeps the member from its place; undefined when nothing does any more. */
  readonly onProblem: (problem: Error | undefined) => void;
  /** The member has a place now. */
  readonly onJoined: (life: Life) => void;
}

/** Why a life ended by itself. */
export type LifeEnd =
  | { readonly kind: "lost"; readonly why: string; readonly error?: unknown }
  /** The broker, or the group as it is, does not take this protocol. */
  | { readonly kind: "unsupported"; readonly error: Error };

/**
 * One membership under one identity, from joining to being lost: what is known of the coordinator's
 * view of it dies with it. Everything owned is given up in the moment in which it ends.
 */
export abstract class Life {
  abstract readonly protocol: "consumer" | "classic";
  protected readonly context: LifeContext;
  protected readonly session: Session;
  protected readonly backoff: Backoff;
  readonly #ended = new AbortController();
  #end: LifeEnd | undefined;

  constructor(context: LifeContext) {
    const { clock, random, sessionTimeoutMs } = context;
    this.context = context;
    this.session = new Session(clock, sessionTimeoutMs);
    this.backoff = new Backoff({ baseMs: 100, maxMs: 2_000, clock, random });
  }

  abstract get memberId(): string;
  /** Member epoch or generation; -1 while there is none. */
  abstract get epoch(): number;
  /** True when the coordinator has nothing more to hand on or to be told. */
  abstract get isStable(): boolean;

  /** Takes the loops of this life; they end by the signal. */
  protected abstract loops(signal: AbortSignal): readonly Promise<void>[];

  /** Tells the coordinator that the member is gone. */
  abstract leave(limits: RequestLimits): Promise<void>;

  /** Runs until the life ends by itself, or the signal is aborted (undefined). */
  async run(outer: AbortSignal): Promise<LifeEnd | undefined> {
    const signal = AbortSignal.any([outer, this.#ended.signal]);
    this.context.ownership.guard = () => this.check();
    const loops = [...this.loops(signal), this.#watch(signal)];
    const results = await Promise.allSettled(
      loops.map((loop) =>
        loop.catch((error: unknown) => {
          if (signal.aborted) return;
          this.end({ kind: "lost", why: "something is wrong with this side", error });
        }),
      ),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
    return this.#end;
  }

  /** Looks at the clock, and ends this life when nothing may be owned any more. */
  check(): void {
    const { ownership, clock, sessionTimeoutMs, rebalanceTimeoutMs } = this.context;
    if (this.#end) return;
    if (this.epoch >= 0 && this.session.isOver) {
      const why = `no heartbeat was answered for ${sessionTimeoutMs} ms`;
      this.end({ kind: "lost", why });
    } else if ((ownership.deadlineMs ?? Infinity) <= clock.monotonic()) {
      const why = `partitions were not given up within ${rebalanceTimeoutMs} ms`;
      this.end({ kind: "lost", why });
    }
  }

  /** True when this life has ended. */
  protected get isOver(): boolean {
    this.check();
    return this.#end !== undefined;
  }

  protected end(end: LifeEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.context.ownership.lose();
    this.#ended.abort(new Error("this membership has ended"));
  }

  protected get limits(): { readonly timeoutMs: number } {
    // So that a connection that went silent is replaced while the session still lasts.
    return { timeoutMs: Math.min(10_000, Math.max(1_000, this.context.sessionTimeoutMs / 4)) };
  }

  /** Waits after a failure; each one in a row longer. */
  protected async pause(signal: AbortSignal): Promise<void> {
    await this.context.clock.sleep(this.backoff.failed(), signal);
  }

  /** After a stop of the whole process this is among the first things to run. */
  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.check();
      const { clock, ownership } = this.context;
      const nextMs = Math.min(this.session.endsAtMs, ownership.deadlineMs ?? Infinity);
      const leftMs = Math.max(1, Math.ceil(nextMs - clock.monotonic()));
      await clock.sleep(Math.min(WATCH_MS, leftMs), signal);
    }
  }
}

/** True for answers that another coordinator, or the same a little later, will not give. */
export function isCoordinatorAway(code: number): boolean {
  return (
    code === errorCode.coordinatorLoadInProgress ||
    code === errorCode.coordinatorNotAvailable ||
    code === errorCode.notCoordinator
  );
}

export function keyByName({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

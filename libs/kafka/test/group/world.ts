import assert from "node:assert/strict";
import type { HybridgeEvent } from "@hybridge/core";
import { VirtualClock } from "@hybridge/core/testing";
import type { MembershipOptions, TopicPartition } from "../../src/group/api.ts";
import { GroupMembership } from "../../src/group/membership.ts";
import {
  FakeCoordinator,
  FakeProcess,
  seededRandom,
  type Random,
} from "../../src/testing/index.ts";

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 30_000;
export const TOPIC = "posts";

/** A process with one member, and what its listener believes to own. */
export interface Worker {
  readonly name: string;
  readonly process: FakeProcess;
  readonly membership: GroupMembership;
  readonly owns: Set<string>;
  readonly told: string[];
  readonly events: HybridgeEvent[];
  /** The coordinator threw it out, and it may not know for a while. */
  excusedUntilMs: number;
  isGone: boolean;
}

export interface WorldOptions {
  readonly seed: number;
  readonly hasConsumerProtocol?: boolean;
  readonly partitions?: number;
  readonly member?: Partial<MembershipOptions>;
  /** How long a worker takes to settle a revocation. */
  readonly settleMs?: (random: Random) => number;
}

const placeOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

/** Workers, one group, virtual time; fails at once when two of them own the same partition. */
export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly coordinator: FakeCoordinator;
  readonly workers: Worker[] = [];
  readonly #options: WorldOptions;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.coordinator = new FakeCoordinator({
      clock: this.clock,
      random: this.random,
      hasConsumerProtocol: options.hasConsumerProtocol ?? true,
      sessionTimeoutMs: SESSION_MS,
    });
    this.coordinator.topics.set(TOPIC, options.partitions ?? 12);
    this.coordinator.watch();
  }

  get living(): readonly Worker[] {
    return this.workers.filter(({ isGone }) => !isGone);
  }

  start(member: Partial<MembershipOptions> = {}): Worker {
    const process = new FakeProcess(this.clock);
    const name = `worker ${this.workers.length}`;
    const owns = new Set<string>();
    const told: string[] = [];
    const events: HybridgeEvent[] = [];
    const settleMs = this.#options.settleMs ?? (() => 0);
    const membership = new GroupMembership(
      {
        cluster: { bootstrap: "fake:1", clientId: "fake" },
        group: "group",
        topics: [TOPIC],
        signal: new AbortController().signal,
        emit: (event) => events.push(event),
        clock: process,
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: REBALANCE_MS,
        heartbeatIntervalMs: 1_000,
        ...this.#options.member,
        ...member,
        listener: {
          assigned: (places) => {
            for (const place of places.map(placeOf)) {
              assert.ok(!owns.has(place), `${worker.name} has ${place} already`);
              owns.add(place);
            }
            told.push(`assigned ${places.length}`);
            this.check();
          },
          revoked: async (places, signal) => {
            told.push(`revoked ${places.length}`);
            await process.sleep(settleMs(this.random));
            if (signal.aborted) return;
            for (const place of places.map(placeOf)) owns.delete(place);
          },
          lost: (places) => {
            told.push(`lost ${places.length}`);
            for (const place of places.map(placeOf)) {
              assert.ok(owns.delete(place), `${worker.name} lost ${place} without having it`);
            }
          },
        },
      },
      {
        port: this.coordinator.port(process),
        close: () => Promise.resolve(),
        newId: () => name,
        random: this.random,
      },
    );
    const excuse = { excusedUntilMs: -1, isGone: false };
    const worker: Worker = { name, process, membership, owns, told, events, ...excuse };
    this.workers.push(worker);
    return worker;
  }

  async leave(worker: Worker): Promise<void> {
    worker.isGone = true;
    worker.owns.clear();
    const left = worker.membership[Symbol.asyncDispose]();
    await this.clock.run(5_000);
    await left;
  }

  kill(worker: Worker): void {
    worker.process.kill();
    worker.isGone = true;
    worker.owns.clear();
  }

  /** Goes on after a stop; by the time that anybody sees, nothing is left that is not its own. */
  resumeAfter(worker: Worker, ms: number): void {
    this.clock.after(ms, () => {
      worker.process.resume();
      this.clock.after(0, () => this.check());
    });
  }

  fence(worker: Worker): void {
    const { memberId } = worker.membership.status();
    if (memberId === undefined) return;
    worker.excusedUntilMs = this.clock.monotonic() + SESSION_MS;
    this.coordinator.fence(memberId);
  }

  /** No partition has two owners. */
  check(): void {
    const owners = new Map<string, string>();
    for (const { owns, name, process, excusedUntilMs } of this.living) {
      if (!process.isRunning || this.clock.monotonic() < excusedUntilMs) continue;
      for (const place of owns) {
        const other = owners.get(place);
        assert.equal(other, undefined, `${place} is ${other ?? ""}'s and ${name}'s`);
        owners.set(place, name);
      }
    }
  }

  isShared(): boolean {
    const owned = new Set(this.living.flatMap(({ owns }) => [...owns]));
    const isStable = this.living.every(({ membership }) => membership.status().state === "stable");
    return isStable && owned.size === this.coordinator.topics.places().length;
  }

  /** Every partition has an owner, who knows it, and the shares are even. */
  checkShared(): void {
    this.check();
    const shares = this.living.map(({ owns }) => [...owns]);
    assert.deepEqual(shares.flat().sort(), this.coordinator.topics.places().sort());
    const sizes = shares.map(({ length }) => length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `uneven: ${sizes.join(" ")}`);
    for (const { membership, owns, name } of this.living) {
      const { state, owned } = membership.status();
      assert.equal(state, "stable", name);
      assert.deepEqual(owned.map(placeOf).sort(), [...owns].sort(), name);
    }
  }

  async end(): Promise<void> {
    this.coordinator.lossRate = 0;
    for (const worker of this.living) await this.leave(worker);
  }
}

import type { VirtualClock } from "@hybridge/core/testing";
import { ConnectionLostError, UnsupportedBrokerError } from "../errors.ts";
import type { CommittedOffset } from "../group/api.ts";
import type { GroupPort, RequestLimits } from "../group/port.ts";
import { errorCode } from "../wire/protocol-errors.ts";
import { FakeClassicGroup } from "./fake-classic-group.ts";
import { FakeConsumerGroup } from "./fake-consumer-group.ts";
import type { FakeProcess } from "./fake-process.ts";
import { FakeTopics } from "./fake-topics.ts";
import type { Random } from "./workload.ts";

const DONE = new Error("the answer came");

export interface FakeCoordinatorOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** False: a broker from before Kafka 4.0. */
  readonly hasConsumerProtocol: boolean;
  /** Of members by KIP-848; those of the classic protocol say theirs. */
  readonly sessionTimeoutMs: number;
}

/** The coordinator of one group, behind a network that loses requests and answers. */
export class FakeCoordinator {
  readonly topics = new FakeTopics();
  readonly committed = new Map<string, bigint>();
  readonly consumer: FakeConsumerGroup;
  readonly classic: FakeClassicGroup;
  /** How likely a request, or its answer, is lost. */
  lossRate = 0;
  readonly #options: FakeCoordinatorOptions;
  #isAway = false;

  constructor(options: FakeCoordinatorOptions) {
    this.#options = options;
    const { clock, sessionTimeoutMs } = options;
    this.consumer = new FakeConsumerGroup({
      clock,
      topics: this.topics,
      sessionTimeoutMs,
      heartbeatIntervalMs: 1_000,
    });
    this.classic = new FakeClassicGroup(clock);
  }

  /** Looks for sessions that have run out, again and again. */
  watch(): void {
    this.consumer.expire();
    this.classic.expire();
    this.#options.clock.after(500, () => this.watch());
  }

  /** Nobody coordinates for a while; then somebody does who knows what was known. */
  move(awayMs: number): void {
    this.#isAway = true;
    this.classic.moved();
    this.#options.clock.after(awayMs, () => {
      this.#isAway = false;
      this.classic.moved();
      this.consumer.moved();
    });
  }

  /** Removes a member, which does not know. */
  fence(memberId: string): void {
    this.consumer.remove(memberId);
    this.classic.remove(memberId);
  }

  /** How one process asks. */
  port(process: FakeProcess): GroupPort {
    const away = errorCode.notCoordinator;
    return {
      consumerHeartbeat: (request, limits) => {
        if (!this.#options.hasConsumerProtocol) {
          return Promise.reject(new UnsupportedBrokerError("send ConsumerGroupHeartbeat"));
        }
        const refusal = {
          ...{ error: away, message: null, memberId: null, memberEpoch: -1 },
          ...{ heartbeatIntervalMs: 0, assignment: undefined },
        };
        return this.#carry(process, limits, refusal, () => this.consumer.heartbeat(request));
      },
      join: (request, limits) => {
        const refusal = {
          ...{ error: away, generation: -1, leader: "", skipAssignment: false },
          ...{ memberId: "", members: [] },
        };
        return this.#carry(process, limits, refusal, () => this.classic.join(request));
      },
      sync: (request, limits) => {
        const refusal = { error: away, assignment: Buffer.alloc(0) };
        return this.#carry(process, limits, refusal, () => this.classic.sync(request));
      },
      heartbeat: (request, limits) =>
        this.#carry(process, limits, away, () => this.classic.heartbeat(request)),
      leave: (request, limits) =>
        this.#carry(process, limits, away, () => this.classic.remove(request.memberId)),
      commit: ({ memberId, epoch, offsets }, limits) =>
        this.#carry(process, limits, away, () => this.#commit(memberId, epoch, offsets)),
      forget: () => undefined,
      topics: (names, signal) =>
        this.#carry(process, { signal, timeoutMs: 1_000 }, [], () => this.topics.list(names)),
    };
  }

  #commit(memberId: string, epoch: number, offsets: readonly CommittedOffset[]): number {
    const isClassic = this.classic.memberIds.includes(memberId);
    const group = isClassic ? this.classic : this.consumer;
    const error = group.commit(memberId, epoch);
    if (error !== errorCode.none) return error;
    for (const { topic, partition, offset } of offsets) {
      this.committed.set(`${topic}/${partition}`, offset);
    }
    return errorCode.none;
  }

  async #carry<T>(
    process: FakeProcess,
    { signal, timeoutMs }: RequestLimits,
    refusal: T,
    serve: () => T | Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const over = new AbortController();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    const late = this.#options.clock.sleep(timeoutMs, over.signal).then(
      () => Promise.reject(new ConnectionLostError("no answer came in time")),
      () => new Promise<never>(() => undefined),
    );
    try {
      return await Promise.race([this.#travel(refusal, serve), aborted, late]);
    } finally {
      over.abort(DONE);
      await process.turn();
    }
  }

  async #travel<T>(refusal: T, serve: () => T | Promise<T>): Promise<T> {
    const { clock, random } = this.#options;
    await clock.sleep(1 + random() * 20);
    const isLost = random() < this.lossRate;
    if (isLost && random() < 0.5) throw new ConnectionLostError("the request was lost");
    const answer = await (this.#isAway ? refusal : serve());
    await clock.sleep(1 + random() * 20);
    if (isLost) throw new ConnectionLostError("the answer was lost");
    return answer;
  }
}

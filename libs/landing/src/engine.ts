import {
  describeError,
  HybridgeError,
  InvariantError,
  RateMeter,
  systemClock,
  type Clock,
  type Emit,
} from "@hybridge/core";
import { AllPartitionsStoppedError } from "./errors.ts";
import { createHealth, type Health } from "./health.ts";
import type { SegmentLimits } from "./limits.ts";
import { PartitionBuffer } from "./partition-buffer.ts";
import type {
  Catalog,
  Cut,
  LandingRecord,
  LandingStore,
  LedgerEntry,
  OpenSource,
  SegmentEncoder,
  SourceBatch,
} from "./ports.ts";
import { createRegistrar, type Registrar } from "./registrar.ts";
import { createTurns, landSegment, type SegmentPorts } from "./segment.ts";
import type { LandingStatus, PartitionLandingStatus } from "./status.ts";

export interface LandingOptions {
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly open: OpenSource;
  readonly store: LandingStore;
  readonly encoder: SegmentEncoder;
  readonly catalog: Catalog;
  readonly limits: SegmentLimits;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Wraps the landing of a segment, for traces. */
  readonly observe?: <T>(
    cut: Cut,
    records: readonly LandingRecord[],
    land: () => Promise<T>,
  ) => Promise<T>;
}

/** A landing at work. */
export interface Landing {
  readonly status: () => LandingStatus;
  /** Resolves after an abort of the signal; rejects when landing can never go on. */
  readonly done: Promise<void>;
}

/** How often age limits are looked at; a segment is at most this much late. */
const TICK_MS = 50;
/** Longest wait before a catalog that refused is asked again. */
const REFUSED_MS = 30_000;

interface Lane {
  readonly partition: number;
  readonly buffer: PartitionBuffer;
  endOffset: bigint;
  /** Everything below is committed in the ledger or holds no records. */
  landed: bigint;
  inFlight: boolean;
  /** A reason to land nothing more from this partition. */
  stopped: HybridgeError | undefined;
}

/**
 * Lands some partitions of a topic exactly once: reads them from the ledger's positions, cuts
 * segments, makes each durable, and lets the catalog follow. See the package's README.
 */
export function startLanding(options: LandingOptions): Landing {
  const clock = options.clock ?? systemClock;
  const health = createHealth(options.emit, clock);
  const registrar = createRegistrar({
    ...options,
    health,
    clock,
    intervalMs: options.limits.registerIntervalMs,
  });
  const engine = new Engine(options, clock, health, registrar);
  return { status: () => engine.status(), done: engine.run() };
}

class Engine {
  readonly #options: LandingOptions;
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #registrar: Registrar;
  readonly #ports: SegmentPorts;
  readonly #lanes = new Map<number, Lane>();
  readonly #rate: RateMeter;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  #heldBytes = 0;
  readonly #flights = new Set<Promise<void>>();
  #wakeReader: (() => void) | undefined;
  #running = false;
  #totals = { landed: 0, files: 0, bytes: 0, deadLetters: 0 };

  constructor(options: LandingOptions, clock: Clock, health: Health, registrar: Registrar) {
    this.#options = options;
    this.#clock = clock;
    this.#health = health;
    this.#registrar = registrar;
    this.#rate = new RateMeter(5_000, clock);
    this.#signal = AbortSignal.any([options.signal, this.#failure.signal]);
    const { store, encoder } = options;
    this.#ports = { store, encoder, health, encodeInTurn: createTurns() };
  }

  /** Nothing of it is at work any more when this settles: its ports may be closed then. */
  async run(): Promise<void> {
    let parts: Promise<void>[] = [];
    try {
      await this.#resume();
      this.#running = true;
      parts = [this.#read(), this.#tick(), this.#register()];
      for (const part of parts) part.catch((error: unknown) => this.#failure.abort(error));
      this.#signal.addEventListener("abort", () => this.#wakeReader?.(), { once: true });
      await Promise.all(parts);
    } catch (error) {
      this.#failure.abort(error);
      if (!this.#options.signal.aborted) throw this.#failure.signal.reason;
    } finally {
      await Promise.allSettled([...parts, ...this.#flights]);
    }
  }

  status(): LandingStatus {
    const reason = this.#health.reason();
    return {
      state: this.#state(reason),
      reason,
      partitions: [...this.#lanes.values()].map((lane) => this.#partitionStatus(lane)),
      landed: BigInt(this.#totals.landed),
      queryable: BigInt(this.#registrar.rows),
      files: BigInt(this.#totals.files),
      bytes: BigInt(this.#totals.bytes),
      deadLetters: BigInt(this.#totals.deadLetters),
      rate: this.#rate.rate(),
    };
  }

  #state(reason: string): LandingStatus["state"] {
    if (this.#options.signal.aborted) return "STOPPING";
    if (reason !== "") return "DEGRADED";
    return this.#running ? "RUNNING" : "STARTING";
  }

  #partitionStatus(lane: Lane): PartitionLandingStatus {
    const { partition, landed, endOffset, buffer } = lane;
    const oldest = buffer.oldestTimestampMs;
    const lag = endOffset > landed ? endOffset - landed : 0n;
    // Producers may write any time; -1 is Kafka's "none", from which no lag can be told.
    const isTimed = oldest !== undefined && oldest >= 0;
    const lagMs = lag > 0n && isTimed ? Math.max(0, this.#clock.now() - oldest) : 0;
    return {
      partition,
      landedOffset: landed,
      // Offsets at the end may be control records, which no segment has to make visible.
      queryableOffset: this.#registrar.isCaughtUp(partition)
        ? landed
        : (this.#registrar.queryable(partition) ?? 0n),
      endOffset,
      lag,
      lagMs: BigInt(Math.trunc(lagMs)),
    };
  }

  /** Where did earlier runs get to? An open cut will be repeated before anything else. */
  async #resume(): Promise<void> {
    const { topic, partitions, store, limits } = this.#options;
    for (const partition of partitions) {
      const id = { topic, partition };
      const { position, openCut } = await this.#health.persist(
        "store",
        () => store.readLedger(id, this.#signal),
        this.#signal,
      );
      if (openCut) this.#emitResumed(openCut);
      const buffer = new PartitionBuffer(id, limits, position, openCut);
      const landed = position ?? 0n;
      const lane = { partition, buffer, landed, endOffset: landed };
      this.#lanes.set(partition, { ...lane, inFlight: false, stopped: undefined });
    }
  }

  /** Reads for ever; a source that breaks is opened again where the buffers end. */
  async #read(): Promise<void> {
    await this.#health.persist("source", (works) => this.#readOnce(works), this.#signal);
  }

  async #readOnce(works: () => void): Promise<void> {
    const positions = new Map<number, bigint | "earliest">();
    for (const lane of this.#lanes.values()) {
      if (!lane.stopped) positions.set(lane.partition, lane.buffer.next ?? "earliest");
    }
    for await (const batch of this.#options.open(positions, this.#signal)) {
      works();
      this.#accept(batch);
      await this.#room();
    }
    this.#signal.throwIfAborted();
    throw new InvariantError("the source ended by itself");
  }

  #accept(batch: SourceBatch): void {
    const lane = this.#lanes.get(batch.partition);
    if (!lane || lane.stopped) return;
    const { buffer } = lane;
    lane.endOffset = batch.endOffset;
    const before = buffer.bytes;
    try {
      buffer.append(batch, this.#clock.now());
    } catch (error) {
      this.#stopLane(lane, error);
      return;
    }
    this.#heldBytes += buffer.bytes - before;
    // With nothing waiting, records that are not data (control records) need no segment.
    if (!lane.inFlight && buffer.count === 0 && buffer.next !== undefined)
      lane.landed = buffer.next;
    this.#landIfDue(lane);
  }

  /** Waits while memory is full, unless only more reading can free it. */
  async #room(): Promise<void> {
    while (this.#heldBytes > this.#options.limits.bufferBytesMax) {
      this.#signal.throwIfAborted();
      this.#cutLargest();
      if (this.#flights.size === 0) return;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  #cutLargest(): void {
    let largest: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.inFlight || lane.stopped || !lane.buffer.isCuttable) continue;
      if (lane.buffer.bytes > (largest?.buffer.bytes ?? 0)) largest = lane;
    }
    if (largest) this.#land(largest);
  }

  async #tick(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(TICK_MS, this.#signal);
      for (const lane of this.#lanes.values()) this.#landIfDue(lane);
    }
  }

  #landIfDue(lane: Lane): void {
    if (lane.inFlight || lane.stopped || !lane.buffer.isDue(this.#clock.now())) return;
    this.#land(lane);
  }

  /** Begins the next segment of a lane; what it holds counts against memory until it is landed. */
  #land(lane: Lane): void {
    const { topic, encoder } = this.#options;
    const nowMs = this.#clock.now();
    const { taken, repeated } = lane.buffer.take(nowMs);
    const { first, last, records } = taken;
    const cut: Cut = repeated ?? {
      topic,
      partition: lane.partition,
      first,
      last,
      decidedAtMs: nowMs,
      schema: encoder.schema,
    };
    lane.inFlight = true;
    const land = () => landSegment(this.#ports, cut, records, this.#signal);
    const flight = (this.#options.observe?.(cut, records, land) ?? land())
      .then(
        (entry) => this.#landed(lane, entry),
        (error: unknown) => this.#stopLane(lane, error),
      )
      .catch((error: unknown) => this.#failure.abort(error))
      .finally(() => {
        lane.inFlight = false;
        this.#flights.delete(flight);
        this.#heldBytes -= taken.bytes;
        this.#wakeReader?.();
        if (!this.#signal.aborted) this.#landIfDue(lane);
      });
    this.#flights.add(flight);
  }

  #landed(lane: Lane, entry: LedgerEntry): void {
    const bytes = entry.files.reduce((sum, file) => sum + file.bytes, 0);
    lane.landed = entry.cut.last + 1n;
    if (lane.buffer.count === 0) lane.landed = lane.buffer.next ?? lane.landed;
    this.#totals.landed += entry.rows;
    this.#totals.files += entry.files.length;
    this.#totals.bytes += bytes;
    this.#totals.deadLetters += entry.deadLetters;
    this.#rate.add(entry.rows);
    this.#registrar.landed(entry);
    this.#options.emit(landedEvent(entry, bytes));
  }

  /** A partition whose landing can never go on stops alone; a bug of ours stops the process. */
  #stopLane(lane: Lane, error: unknown): void {
    if (this.#signal.aborted) return;
    if (!isNamed(error)) throw error;
    lane.stopped = error;
    this.#heldBytes -= lane.buffer.bytes;
    lane.buffer.clear();
    const place = `${this.#options.topic}/${lane.partition}`;
    this.#health.stopped(place, `${error.code}: ${error.message}`);
    this.#options.emit({
      name: "landing.partition_stopped",
      level: "error",
      message: `landing of ${place} stopped: ${describeError(error)}`,
      fields: { topic: this.#options.topic, partition: lane.partition, code: error.code },
      error,
    });
    if (![...this.#lanes.values()].every((other) => other.stopped)) return;
    const message = `every partition of ${this.#options.topic} stopped landing; the last was ${place}`;
    throw new AllPartitionsStoppedError(message, { cause: error });
  }

  /**
   * The catalog follows. One that refuses must not stop the raw data from landing, and what it
   * refuses is a person's to change: it is asked again, from its preparation on, now and then.
   */
  async #register(): Promise<void> {
    await this.#health.persist(
      "catalog",
      (works) => this.#registrar.run(this.#signal, works),
      this.#signal,
      { classify: (error) => (isNamed(error) ? "backoff" : "never"), maxMs: REFUSED_MS },
    );
  }

  #emitResumed(cut: Cut): void {
    this.#options.emit({
      name: "landing.cut_resumed",
      level: "info",
      message: `repeats the cut ${cut.first}..${cut.last} of ${cut.topic}/${cut.partition}`,
      fields: { partition: cut.partition, first: String(cut.first), last: String(cut.last) },
    });
  }
}

/** Something named went wrong outside; the rest are bugs of ours. */
function isNamed(error: unknown): error is HybridgeError {
  return error instanceof HybridgeError && !(error instanceof InvariantError);
}

function landedEvent({ cut, files, rows, deadLetters }: LedgerEntry, bytes: number) {
  const range = `${cut.topic}/${cut.partition} ${cut.first}..${cut.last}`;
  const lost = deadLetters > 0 ? `, ${deadLetters} dead letters` : "";
  return {
    name: "segment.landed",
    level: deadLetters > 0 ? "warn" : "info",
    message: `${range}: ${rows} rows in ${files.length} files, ${bytes} bytes${lost}`,
    fields: {
      topic: cut.topic,
      partition: cut.partition,
      first: String(cut.first),
      last: String(cut.last),
      rows,
      files: files.map((file) => file.name),
      bytes,
      deadLetters,
    },
    measurements: [
      { kind: "counter", name: "hybridge_landing_rows_total", value: rows },
      { kind: "counter", name: "hybridge_landing_segments_total", value: 1 },
      { kind: "counter", name: "hybridge_landing_files_total", value: files.length },
      { kind: "counter", name: "hybridge_landing_bytes_total", value: bytes },
      { kind: "counter", name: "hybridge_landing_dead_letters_total", value: deadLetters },
    ],
  } as const;
}

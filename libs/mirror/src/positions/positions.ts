import { describeError, failpoint, retry, type Clock, type Emit } from "@hybridge/core";
import {
  brokerError,
  buildBatch,
  encodeRecords,
  makeTopic,
  POSITIONS_TOPIC,
  produceApi,
  readProduce,
  writeProduce,
  type Cluster,
  type Fence,
} from "@hybridge/kafka/raw";
import { mirrorEvents } from "../events.ts";
import type { Route } from "../route.ts";
import { encodePosition, isOfVersion1, positionKey, type PositionScope } from "./format.ts";
import { PositionLedger, type LedgerChanges } from "./ledger.ts";
import { Pauses, type PauseScope, type SourcePartition } from "./pauses.ts";
import { isOf, isOfMirror, resolve, StoredPositions } from "./stored-positions.ts";

const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;
/** Bytes in one batch, about: the topic takes 1 MB. */
const BATCH_BYTES = 500_000;

/** A route, and the ids of its topics. */
export type IdentifiedRoute = Route & Pick<PositionScope, "sourceTopicId" | "targetTopicId">;

interface StoredRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

export interface PositionsOptions extends PauseScope {
  readonly target: Cluster;
  readonly emit: Emit;
  readonly clock: Clock;
}

/** All partitions' positions and pauses, and the writer of their topic. */
export class Positions {
  readonly #options: PositionsOptions;
  /** By source partition: one for each pair of topics that has, or had, its name. */
  readonly #ledgers = new Map<string, PositionLedger[]>();
  readonly #pauses: Pauses;
  readonly #stored: StoredPositions;
  /** Keys of version 1 that are not needed any more. */
  readonly #obsolete: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  #reading: Promise<void> = Promise.resolve();
  #nextReading: Promise<void> | undefined;
  #reason: string | undefined;

  constructor(options: PositionsOptions) {
    this.#options = options;
    const { clock, target } = options;
    this.#pauses = new Pauses(options);
    this.#stored = new StoredPositions(target, {
      isWanted: (scope) => isOfVersion1(scope) || isOfMirror(scope, options),
      onPause: (key, value) => this.#pauses.take(key, value, clock.now()),
    });
  }

  /** Why positions are not written at the moment; undefined when they are. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Makes the topic if need be and reads what stands in it. */
  async open(signal: AbortSignal): Promise<void> {
    const wanted = {
      topic: POSITIONS_TOPIC,
      partitions: 1,
      config: { "cleanup.policy": "compact", "segment.bytes": String(16 << 20) },
    };
    await makeTopic(this.#options.target, wanted, signal);
    await this.readOn(signal);
  }

  /** Reads what was written since, up to now; those who ask meanwhile share the next reading. */
  async readOn(signal: AbortSignal): Promise<void> {
    this.#nextReading ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#nextReading = undefined;
        // Not the caller's signal: others wait for the same. The requests have their time-outs.
        this.#reading = this.#stored.readOn(new AbortController().signal);
        return this.#reading;
      });
    await this.#nextReading;
    signal.throwIfAborted();
  }

  /**
   * The positions of one partition; entries of deleted topics of the same names are left out. What
   * is in memory counts as long as nobody else has owned the partition since, else what was read.
   */
  of(route: IdentifiedRoute, fence?: Fence): PositionLedger {
    const scope = this.#scopeOf(route);
    const place = placeOf(route);
    const ledgers = this.#ledgers.get(place) ?? [];
    this.#ledgers.set(place, ledgers);
    const index = ledgers.findIndex(({ scope: other }) => isSameTopics(other, scope));
    const existing = ledgers[index];
    if (existing && fence?.isContinued !== false) {
      if (fence) existing.renewed(fence);
      return existing;
    }
    const ledger = this.#load(scope, fence);
    if (index < 0) ledgers.push(ledger);
    else ledgers[index] = ledger;
    return ledger;
  }

  /**
   * Where that ends in the target which came from earlier source topics of the same name: they
   * were deleted, and the topic created again. Undefined when nothing is known of such.
   */
  formerEnd({
    sourceTopic,
    partition,
    sourceTopicId,
    targetTopicId,
  }: PositionScope): bigint | undefined {
    const place = { sourceTopic, partition };
    const isFormer = (scope: PositionScope) =>
      scope.sourceTopicId !== sourceTopicId && scope.targetTopicId === targetTopicId;
    const stored = this.#stored
      .allOf(place)
      .filter(({ scope, isDeadLetter }) => isFormer(scope) && !isDeadLetter)
      .map(({ runs }) => runs.targetEnd);
    const inMemory = (this.#ledgers.get(placeOf(place)) ?? [])
      .filter(({ scope }) => isFormer(scope))
      .flatMap(({ end }) => end?.targetOffset ?? []);
    return [...stored, ...inMemory].reduce<bigint | undefined>(
      (most, end) => (most === undefined || end > most ? end : most),
      undefined,
    );
  }

  /** The ids of the topics of the target's name to which records of this source topic were mirrored. */
  targetIds(
    of: Pick<PositionScope, "sourceTopic" | "sourceTopicId" | "targetTopic" | "partition">,
  ): ReadonlySet<string> {
    const isMeant = (scope: PositionScope) =>
      scope.sourceTopicId === of.sourceTopicId && scope.targetTopic === of.targetTopic;
    const inMemory = this.#ledgers.get(placeOf(of)) ?? [];
    const known = [
      ...this.#stored.allOf(of).map(({ scope }) => scope),
      ...inMemory.filter(({ end }) => end !== undefined).map(({ scope }) => scope),
    ];
    return new Set(known.filter(isMeant).map(({ targetTopicId }) => targetTopicId));
  }

  /** Forgets of a ledger what neither log holds any more. */
  prune(ledger: PositionLedger, sourceStart: bigint, targetStart: bigint): void {
    ledger.prune(sourceStart, targetStart);
    const former = resolve(
      this.#stored
        .allOf(ledger.scope)
        .filter((entry) => isOfVersion1(entry.scope) && isOf(entry, ledger.scope)),
    );
    // The last one says where an older version would have to go on.
    for (const { entry, writers } of former.slice(0, -1)) {
      const { scope, runs, isDeadLetter } = entry;
      if (runs.sourceEnd > sourceStart) continue;
      if (!isDeadLetter && runs.targetEnd > targetStart) continue;
      for (const writerEpoch of writers) {
        const key = positionKey(scope, runs.sourceOffset, writerEpoch);
        this.#stored.take(key, null);
        this.#obsolete.push(key);
      }
    }
  }

  /** When an operator paused the partition; undefined when it is not paused. */
  pausedSince(at: SourcePartition): number | undefined {
    return this.#pauses.since(at);
  }

  /** Writes down that partitions are paused, or (with undefined) are not any more. */
  async writePause(
    list: readonly SourcePartition[],
    sinceMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (list.length === 0) return;
    await this.#produce(
      list.map((at) => this.#pauses.encode(at, sinceMs)),
      signal,
    );
    for (const at of list) this.#pauses.set(at, sinceMs);
    failpoint("mirror.pause.written");
  }

  /** Writes what has changed, after whatever is being written now. */
  async flush(signal: AbortSignal): Promise<void> {
    const before = this.#writing;
    this.#writing = before.catch(() => undefined).then(() => this.#write(signal));
    await this.#writing;
  }

  /** Flushes every `everyMs` until the signal is aborted; a failure is told and tried again. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    const isStopped = () => signal.aborted;
    while (!isStopped()) {
      await this.#options.clock.sleep(everyMs, signal).catch(() => undefined);
      try {
        await this.flush(signal);
        this.#reason = undefined;
      } catch (error) {
        if (isStopped()) return;
        if (this.#reason === undefined) this.#options.emit(mirrorEvents.positionsLate(error));
        this.#reason = `positions cannot be written: ${describeError(error)}`;
      }
    }
  }

  #scopeOf(route: IdentifiedRoute): PositionScope {
    const { mirrorId, sourceClusterId } = this.#options;
    const { sourceTopic, sourceTopicId, targetTopic, targetTopicId, partition } = route;
    const topics = { sourceTopic, sourceTopicId, targetTopic, targetTopicId };
    return { mirrorId, sourceClusterId, ...topics, partition };
  }

  /** What was written down, by this version and, where that goes further, by the first one. */
  #load(scope: PositionScope, fence: Fence | undefined): PositionLedger {
    const ledger = new PositionLedger(scope, fence);
    const all = this.#stored.allOf(scope).filter((entry) => isOf(entry, scope));
    const own = all.filter((entry) => !isOfVersion1(entry.scope));
    const former = all.filter((entry) => isOfVersion1(entry.scope));
    for (const { entry, writers } of resolve(own)) ledger.load(entry, writers);
    for (const { entry } of resolve(former)) ledger.adopt(entry);
    return ledger;
  }

  async #write(signal: AbortSignal): Promise<void> {
    const changes = [...this.#ledgers.values()].flatMap((ledgers) =>
      ledgers.map((ledger) => ledger.takeChanges()),
    );
    const records = changes.flatMap(({ entries }) => entries.map(encodePosition));
    const tombstones = changes.flatMap(({ obsolete }) => obsolete.map(tombstoneOf));
    const obsolete = this.#obsolete.splice(0);
    for (const key of obsolete) tombstones.push({ key: Buffer.from(key), value: null });
    if (records.length + tombstones.length === 0) return;
    failpoint("mirror.positions.before-write");
    try {
      // What takes the place of obsolete entries goes before them.
      await this.#produce([...records, ...tombstones], signal);
    } catch (error) {
      for (const change of changes) change.restore();
      this.#obsolete.push(...obsolete);
      throw error;
    }
    failpoint("mirror.positions.after-write");
  }

  async #produce(records: readonly StoredRecord[], signal: AbortSignal): Promise<void> {
    for (const some of inBatches(records)) {
      const batch = encode(some, this.#options.clock.now());
      await retry(() => this.#produceBatch(batch, signal), { signal, tries: 3 });
    }
  }

  async #produceBatch(batch: Buffer, signal: AbortSignal): Promise<void> {
    const { target } = this.#options;
    // Not among what the coordinators are asked: it waits for the replicas.
    const at = { topic: POSITIONS_TOPIC, partition: 0, lane: "positions" } as const;
    const [answer] = await target.askLeader(
      at,
      produceApi,
      () => writeProduce([{ ...at, batch }], 10_000),
      readProduce,
      signal,
    );
    if (answer?.error === 0) return;
    target.forget(POSITIONS_TOPIC);
    const need = { operation: "Write", name: POSITIONS_TOPIC } as const;
    throw brokerError("write positions", answer?.error ?? -1, answer?.message, need);
  }
}

function placeOf({ sourceTopic, partition }: SourcePartition): string {
  return `${sourceTopic}/${partition}`;
}

function isSameTopics(a: PositionScope, b: PositionScope): boolean {
  return a.sourceTopicId === b.sourceTopicId && a.targetTopicId === b.targetTopicId;
}

function tombstoneOf({ scope, sourceOffset, writerEpoch }: LedgerChanges["obsolete"][number]) {
  return { key: Buffer.from(positionKey(scope, sourceOffset, writerEpoch)), value: null };
}

function* inBatches(records: readonly StoredRecord[]): Generator<readonly StoredRecord[]> {
  let some: StoredRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    some.push(record);
    bytes += record.key.length + (record.value?.length ?? 0) + 20;
    if (bytes < BATCH_BYTES) continue;
    yield some;
    [some, bytes] = [[], 0];
  }
  if (some.length > 0) yield some;
}

function encode(list: readonly StoredRecord[], timestampMs: number): Buffer {
  const records = list.map((entry) => ({ ...entry, headers: [], timestampMs }));
  return buildBatch(encodeRecords(records, timestampMs), {
    ...NOBODY,
    codec: 0,
    count: records.length,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}

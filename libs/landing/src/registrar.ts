import { failpoint, type Clock, type Emit } from "@hybridge/core";
import type { Health } from "./health.ts";
import type { Catalog, LandingStore, LedgerEntry, TopicPartition } from "./ports.ts";

/** Segments given to one registration. */
const BATCH_ENTRIES = 256;
/** Finished segments remembered per partition while the catalog is away; more are read again. */
const TAIL_ENTRIES = 512;

export interface RegistrarOptions {
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly store: LandingStore;
  readonly catalog: Catalog;
  readonly health: Health;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly emit: Emit;
}

/** Makes landed segments visible to queries, in its own time: landing never waits for it. */
export interface Registrar {
  /** A segment was committed. */
  landed(entry: LedgerEntry): void;
  /** Everything below is visible; undefined when nothing is or it is not known yet. */
  queryable(partition: number): bigint | undefined;
  /** True when every segment of the partition is visible: what lies behind them holds no rows. */
  isCaughtUp(partition: number): boolean;
  /** Rows made visible since the start. */
  readonly rows: number;
  /**
   * Works until the signal is aborted; may be run again after an error.
   *
   * @param works told whenever the catalog has taken everything
   * @throws what the catalog or the store will not accept
   */
  run(signal: AbortSignal, works: () => void): Promise<void>;
}

interface Track {
  readonly id: TopicPartition;
  /** Where registration goes on. */
  next: bigint;
  visible: bigint | undefined;
  /** No finished segment waits, as of the last look. */
  caughtUp: boolean;
  /** Newest finished segments, without a gap; may begin later than `next`. */
  tail: LedgerEntry[];
}

export function createRegistrar(options: RegistrarOptions): Registrar {
  const { topic, partitions, store, catalog, health, intervalMs, clock, emit } = options;
  const tracks = new Map<number, Track>();
  for (const partition of partitions) {
    const id = { topic, partition };
    tracks.set(partition, { id, next: 0n, visible: undefined, caughtUp: false, tail: [] });
  }
  /** Partitions that may have segments to register. */
  const waiting = new Set<number>();
  let rows = 0;

  async function start(signal: AbortSignal): Promise<void> {
    await health.persist("catalog", () => catalog.prepare(signal), signal);
    for (const track of tracks.values()) {
      track.visible = await health.persist(
        "catalog",
        () => catalog.position(track.id, signal),
        signal,
      );
      track.next = track.visible ?? 0n;
    }
  }

  /** The next segments of a partition: from memory when they begin there, else from the ledger. */
  async function nextOf(track: Track, limit: number, signal: AbortSignal): Promise<LedgerEntry[]> {
    while (track.tail[0] && track.tail[0].cut.last < track.next) track.tail.shift();
    if (track.tail[0]?.cut.first === track.next) return track.tail.slice(0, limit);
    const entries: LedgerEntry[] = [];
    for await (const entry of store.listEntries(track.id, track.next, signal)) {
      entries.push(entry);
      if (entries.length >= limit) break;
    }
    return entries;
  }

  async function collect(signal: AbortSignal): Promise<LedgerEntry[]> {
    const entries: LedgerEntry[] = [];
    for (const track of tracks.values()) {
      const room = BATCH_ENTRIES - entries.length;
      if (room === 0) break;
      // Cleared before the look: what lands during it sets the flag again.
      if (!waiting.delete(track.id.partition)) continue;
      const found = await health.persist("store", () => nextOf(track, room, signal), signal);
      if (found.length > 0) waiting.add(track.id.partition);
      else track.caughtUp = !waiting.has(track.id.partition);
      entries.push(...found);
    }
    return entries;
  }

  async function registerAll(signal: AbortSignal): Promise<void> {
    for (;;) {
      const entries = await collect(signal);
      if (entries.length === 0) return;
      failpoint("landing.before-register");
      await health.persist("catalog", () => catalog.register(entries, signal), signal);
      failpoint("landing.after-register");
      for (const { cut, rows: count } of entries) {
        const track = tracks.get(cut.partition);
        if (track) track.visible = track.next = cut.last + 1n;
        rows += count;
      }
      emit(registered(entries));
    }
  }

  return {
    get rows() {
      return rows;
    },
    queryable: (partition) => tracks.get(partition)?.visible,
    isCaughtUp: (partition) => tracks.get(partition)?.caughtUp ?? false,
    landed(entry) {
      const track = tracks.get(entry.cut.partition);
      if (!track) return;
      if (track.tail.length >= TAIL_ENTRIES) track.tail = [];
      track.tail.push(entry);
      track.caughtUp = false;
      waiting.add(entry.cut.partition);
    },
    async run(signal, works) {
      await start(signal);
      // What earlier runs landed and did not register is found by the ledger.
      for (const partition of partitions) waiting.add(partition);
      for (;;) {
        await registerAll(signal);
        works();
        await clock.sleep(intervalMs, signal);
      }
    },
  };
}

function registered(entries: readonly LedgerEntry[]) {
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  return {
    name: "landing.registered",
    level: "info",
    message: `${entries.length} segments with ${rows} rows are visible to queries`,
    fields: { segments: entries.length, rows },
    measurements: [
      { kind: "counter", name: "hybridge_landing_registered_rows_total", value: rows },
      {
        kind: "counter",
        name: "hybridge_landing_registered_segments_total",
        value: entries.length,
      },
    ],
  } as const;
}

import type { Emit } from "@hybridge/core";
import type { AssignmentListener, TopicPartition } from "./api.ts";

/** A partition as the coordinator means it: with topic ids, of one topic and not of its namesake. */
export interface Assigned extends TopicPartition {
  /** Same key, same partition. */
  readonly key: string;
}

interface Owned {
  readonly at: Assigned;
  /** The revocation under way. */
  revocation: Revocation | undefined;
}

interface Revocation {
  readonly stop: AbortController;
  readonly deadlineMs: number;
}

export interface OwnershipOptions {
  readonly listener: AssignmentListener;
  readonly emit: Emit;
  readonly group: string;
}

/**
 * What one member has, against what it is to have. What it no longer is to have it keeps until the
 * listener has acknowledged that; what comes meanwhile is handed out at once. Neither a revocation
 * nor the next target waits for the other.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #owned = new Map<string, Owned>();
  /** The same by name and number, as the listener knows them. */
  readonly #places = new Set<string>();
  #version = 0;
  #target: ReadonlyMap<string, Assigned> = new Map();
  /** Called when something was acknowledged: the coordinator is to know. */
  onSettled: (() => void) | undefined;
  /** Called before anything is handed out: time may have passed unseen, and all be lost. */
  guard: (() => void) | undefined;
  #isSilent = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /** Everything that nobody else may have, partitions that are being revoked included. */
  get owned(): readonly Assigned[] {
    return [...this.#owned.values()].map(({ at }) => at);
  }

  /** True when nothing is being revoked. */
  get isSettled(): boolean {
    for (const { revocation } of this.#owned.values()) if (revocation) return false;
    return true;
  }

  /** Grows with every change of what is owned. */
  get version(): number {
    return this.#version;
  }

  has(topic: string, partition: number): boolean {
    return this.#places.has(placeOf({ topic, partition }));
  }

  /** The earliest moment at which a revocation has taken too long; undefined while there is none. */
  get deadlineMs(): number | undefined {
    let earliest: number | undefined;
    for (const { revocation } of this.#owned.values()) {
      if (revocation) earliest = Math.min(earliest ?? Infinity, revocation.deadlineMs);
    }
    return earliest;
  }

  /** @param deadlineMs until when what is to be given up must be acknowledged, monotonic */
  aim(target: readonly Assigned[], deadlineMs: number): void {
    this.#target = new Map(target.map((at) => [at.key, at]));
    const surplus = [...this.#owned.values()].filter(
      ({ at, revocation }) => !revocation && !this.#target.has(at.key),
    );
    // First what is given up: of a topic that was made anew the same partition may come back.
    if (surplus.length > 0) this.#revoke(surplus, deadlineMs);
    this.#takeUp();
  }

  /** Everything is gone at once; revocations under way are called off. */
  lose(): void {
    const gone = [...this.#owned.values()];
    this.#owned.clear();
    this.#places.clear();
    this.#version += 1;
    this.#target = new Map();
    for (const { revocation } of gone) revocation?.stop.abort();
    if (gone.length > 0) this.#tell("lost", () => this.#options.listener.lost(placesOf(gone)));
  }

  /** The listener is not called any more. */
  silence(): void {
    this.#isSilent = true;
  }

  #takeUp(): void {
    const fresh: Owned[] = [];
    for (const [key, at] of this.#target) {
      // The listener knows topics by name: it gives up a deleted one before it gets its namesake.
      if (this.#owned.has(key) || this.#places.has(placeOf(at))) continue;
      const entry = { at, revocation: undefined };
      this.#owned.set(key, entry);
      this.#places.add(placeOf(at));
      fresh.push(entry);
    }
    if (fresh.length === 0) return;
    this.#version += 1;
    this.#tell("assigned", () => this.#options.listener.assigned(placesOf(fresh)));
  }

  #revoke(entries: readonly Owned[], deadlineMs: number): void {
    const revocation: Revocation = { stop: new AbortController(), deadlineMs };
    for (const entry of entries) entry.revocation = revocation;
    if (this.#isSilent) return;
    const { listener, emit, group } = this.#options;
    const { signal } = revocation.stop;
    const acknowledged = (async () => listener.revoked(placesOf(entries), signal))();
    void acknowledged
      .catch((error: unknown) => {
        if (signal.aborted) return;
        const message = `a revocation in group ${group} failed; the partitions are given up all the same`;
        emit({ name: "kafka.group.listener_failed", level: "error", message, error });
      })
      .then(() => {
        this.guard?.();
        if (signal.aborted) return;
        for (const { at } of entries) {
          this.#owned.delete(at.key);
          this.#places.delete(placeOf(at));
        }
        this.#version += 1;
        this.#takeUp();
        this.onSettled?.();
      });
  }

  #tell(what: string, call: () => void): void {
    if (this.#isSilent) return;
    try {
      call();
    } catch (error) {
      const { emit, group } = this.#options;
      const message = `the listener of group ${group} failed at what it was told: ${what}`;
      emit({ name: "kafka.group.listener_failed", level: "error", message, error });
    }
  }
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`;
}

function placesOf(entries: readonly Owned[]): TopicPartition[] {
  return entries.map(({ at: { topic, partition } }) => ({ topic, partition }));
}

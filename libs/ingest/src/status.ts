import { RateMeter, type Emit } from "@hybridge/core";
import { postsAcknowledged, stateChanged } from "./events.ts";
import type { Spool } from "./spool/spool.ts";
import { sumOf, type Counts } from "./tally.ts";

export type IngestState = "STARTING" | "RUNNING" | "DONE" | "DEGRADED" | "STOPPING";

/** What GetStatus tells. Counters only grow while the process lives, but for `total`. */
export interface Status {
  readonly state: IngestState;
  readonly reason: string;
  readonly acknowledged: number;
  readonly total: number;
  readonly deadLetters: number;
  /** What became of everything that was read of what this process reads, also in earlier runs. */
  readonly read: Counts;
  /** Records in the spool that Kafka has not acknowledged. */
  readonly spooled: number;
  readonly spoolBytes: number;
  readonly spoolBytesMax: number;
  /** Of them, on their way. */
  readonly inFlight: number;
  readonly rate: number;
}

export interface StatusBoard {
  read(): Status;
  /** Told as an event when it differs from what stands there. */
  become(state: IngestState, reason?: string): void;
  addAcknowledged(count: number): void;
  addDeadLetters(count: number): void;
  /** Whether this is the first time that the process says so. */
  tellOnce(what: string): boolean;
  beginSession(live: Live): void;
  /** Where to look for what is counted elsewhere. */
  attach(sources: StatusSources): void;
}

/** What a session knows at any moment. */
export interface Live {
  inFlight(): number;
  /** Records below are settled. */
  settled(): number;
}

export interface StatusSources {
  readonly read: () => Counts;
  readonly spool: Pick<Spool, "status" | "acknowledged">;
}

export function openStatusBoard(emit: Emit): StatusBoard {
  const told = new Set<string>();
  const meter = new RateMeter();
  let state: IngestState = "STARTING";
  let reason = "";
  let deadLetters = 0;
  let live: Live | undefined;
  let sources: StatusSources | undefined;
  return {
    read() {
      const read = sources?.read() ?? sumOf([]);
      const spool = sources?.spool.status();
      const settled = live?.settled() ?? sources?.spool.acknowledged()?.ordinal ?? 0;
      const spooled = Math.max(0, (spool?.nextOrdinal ?? 0) - settled);
      return {
        state,
        reason,
        acknowledged: meter.total,
        total: Math.max(0, read.posts + read.deletions - spooled),
        deadLetters,
        read,
        spooled,
        spoolBytes: spool?.bytes ?? 0,
        spoolBytesMax: spool?.bytesMax ?? 0,
        inFlight: live?.inFlight() ?? 0,
        rate: meter.rate(),
      };
    },
    become(next, why = "") {
      // Who stops does not recover.
      if (state === "STOPPING" || (state === next && reason === why)) return;
      const sameKind = state === next && next === "DEGRADED";
      state = next;
      reason = why;
      // A reason that changes while it lasts is not worth a line each time.
      if (!sameKind) emit(stateChanged(next, why));
    },
    addAcknowledged(count) {
      meter.add(count);
      emit(postsAcknowledged(count));
    },
    addDeadLetters(count) {
      deadLetters += count;
    },
    tellOnce(what) {
      const isNew = !told.has(what);
      told.add(what);
      return isNew;
    },
    beginSession(newLive) {
      live = newLive;
    },
    attach(newSources) {
      sources = newSources;
    },
  };
}

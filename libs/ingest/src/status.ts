import { RateMeter, type Emit } from "@hybridge/core";
import { postsAcknowledged, stateChanged } from "./events.ts";
import type { Counts } from "./tally.ts";

export type IngestState = "STARTING" | "RUNNING" | "DONE" | "DEGRADED" | "STOPPING";

/** What GetStatus tells. Counters only grow while the process lives, but for `total`. */
export interface Status {
  readonly state: IngestState;
  readonly reason: string;
  readonly acknowledged: number;
  readonly total: number;
  readonly deadLetters: number;
  /** What became of everything that was read, since the present session began. */
  readonly read: Counts;
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
  /** Posts that the topic had before; counted anew in each session. */
  addPresent(count: number): void;
  beginSession(inFlight: () => number): void;
}

export function openStatusBoard(emit: Emit, read: Counts): StatusBoard {
  const told = new Set<string>();
  const meter = new RateMeter();
  let state: IngestState = "STARTING";
  let reason = "";
  let present = 0;
  let acknowledgedBefore = 0;
  let deadLetters = 0;
  let inFlight = () => 0;
  return {
    read: () => ({
      state,
      reason,
      acknowledged: meter.total,
      // What earlier sessions of this process wrote is found in the topic by the present one.
      total: present + meter.total - acknowledgedBefore,
      deadLetters,
      read,
      inFlight: inFlight(),
      rate: meter.rate(),
    }),
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
    addPresent(count) {
      present += count;
    },
    beginSession(newInFlight) {
      present = 0;
      acknowledgedBefore = meter.total;
      inFlight = newInFlight;
    },
  };
}

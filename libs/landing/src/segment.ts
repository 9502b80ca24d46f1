import { failpoint } from "@hybridge/core";
import type { Health } from "./health.ts";
import type {
  Cut,
  LandedFile,
  LandingRecord,
  LandingStore,
  LedgerEntry,
  SegmentEncoder,
} from "./ports.ts";

export interface SegmentPorts {
  readonly store: LandingStore;
  readonly encoder: SegmentEncoder;
  readonly health: Health;
  /** Runs one encoding at a time: each may use the encoder's whole memory budget. */
  readonly encodeInTurn: <T>(encode: () => Promise<T>) => Promise<T>;
}

/**
 * Makes one segment durable: decide, encode, publish, commit. Every step may be repeated, here
 * after a failure of the store or by a later process after a crash, and none is begun before the
 * one above it is durable.
 */
export async function landSegment(
  ports: SegmentPorts,
  cut: Cut,
  records: readonly LandingRecord[],
  signal: AbortSignal,
): Promise<LedgerEntry> {
  const { store, encoder, health } = ports;
  const step = <T>(attempt: () => Promise<T>) => health.persist("store", attempt, signal);
  failpoint("landing.before-cut");
  await step(() => store.writeCut(cut, signal));
  failpoint("landing.after-cut");
  await using segment = await ports.encodeInTurn(() =>
    health.persist("encoder", () => encoder.encode(cut, records, signal), signal),
  );
  failpoint("landing.after-encode");
  const files: LandedFile[] = [];
  for (const file of segment.files) {
    failpoint("landing.before-publish");
    files.push(await step(() => store.publish(file, signal)));
    failpoint("landing.after-publish");
  }
  if (segment.deadLetters.length > 0) {
    failpoint("landing.before-dead-letters");
    await step(() => store.publishDeadLetters(cut, segment.deadLetters, signal));
    failpoint("landing.after-dead-letters");
  }
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const entry = { cut, files, rows, deadLetters: segment.deadLetters.length };
  failpoint("landing.before-commit");
  await step(() => store.commit(entry, signal));
  failpoint("landing.after-commit");
  return entry;
}

/** Runs tasks one after the other, in the order of the calls. */
export function createTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task, task);
    last = turn.catch(() => undefined);
    return turn;
  };
}

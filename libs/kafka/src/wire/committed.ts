import type { Batch } from "./batch.ts";

/** A transaction that was aborted: its producer, and where in the partition it began. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

const ABORT = 0;

/**
 * Leaves of some batches those that a read_committed consumer may see: no control batches and no
 * batches of aborted transactions. A batch has one producer, so whole batches are kept or dropped
 * and nothing is decoded. The algorithm is that of the Java consumer (KIP-98): at each batch the
 * transactions that began at or before its end become active, an abort marker ends its producer's.
 *
 * One filter serves one partition of one fetch answer: the answer names every aborted transaction
 * that overlaps it.
 */
export function makeCommittedFilter(
  aborted: readonly AbortedTransaction[],
): (batch: Batch) => boolean {
  if (aborted.length === 0) return (batch) => !batch.isControl;
  const waiting = aborted.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const active = new Set<bigint>();
  let next = 0;
  return (batch) => {
    const last = batch.lastOffset;
    for (let entry = waiting[next]; entry && entry.firstOffset <= last; entry = waiting[++next]) {
      active.add(entry.producerId);
    }
    if (batch.isControl) {
      if (batch.controlType === ABORT) active.delete(batch.producerId);
      return false;
    }
    return !(batch.isTransactional && active.has(batch.producerId));
  };
}

import { readBatches, type Batch, type Cluster } from "@hybridge/kafka/raw";
import type { PositionLedger } from "../positions/ledger.ts";
import type { Route } from "../route.ts";

/** Records that the target had acknowledged and does not hold any more: the end of what is known. */
export interface TargetLoss {
  /** The first target offset without its record, and the offset after the last. */
  readonly targetFrom: bigint;
  readonly targetEnd: bigint;
  /** The same records in the source. */
  readonly sourceFrom: bigint;
  readonly sourceEnd: bigint;
  readonly records: bigint;
}

/** What is asked about. */
export interface TargetSide {
  readonly target: Cluster;
  readonly route: Route;
  readonly ledger: PositionLedger;
  /** The first offset that the target still holds. */
  readonly targetStart: bigint;
  /** Behind our own fence. */
  readonly targetEnd: bigint;
  /** True when a cleaner may take records out. */
  readonly isCompacted: () => Promise<boolean>;
}

/**
 * Finds out whether the records stand in the target that the ledger knows there last: an unclean
 * leader election or a restored disk may have cut the log back. That the log is as long as it has to
 * be says nothing, because each fence since has put a marker where a record had been. So the last
 * known record is looked at, and from there on backwards until one stands.
 *
 * @returns undefined when nothing is lost
 */
export async function findTargetLoss(
  at: TargetSide,
  signal: AbortSignal,
): Promise<TargetLoss | undefined> {
  const { ledger, targetStart, targetEnd } = at;
  const { end } = ledger;
  if (!end) return undefined;
  const marker = targetEnd - 1n;
  let standing = end.targetOffset < marker ? end.targetOffset : marker;
  while (standing > targetStart) {
    const last = ledger.lastBefore(standing);
    if (last === undefined || last < targetStart) break;
    if (await stands(at, last, signal)) {
      standing = last + 1n;
      break;
    }
    standing = last;
  }
  const lost = ledger.from(standing > targetStart ? standing : targetStart);
  if (lost.records === 0n) return undefined;
  return { ...lost, targetEnd: end.targetOffset, sourceEnd: end.sourceOffset };
}

/** True when the record of a target offset is, as far as can be told, where it was. */
async function stands(at: TargetSide, offset: bigint, signal: AbortSignal): Promise<boolean> {
  const batch = await batchAt(at, offset, signal);
  // A cleaner leaves a hole where a record had been; nothing else does.
  if (!batch) return await at.isCompacted();
  if (batch.isControl) return false;
  const { end } = at.ledger;
  const isLast = end?.targetOffset === offset + 1n;
  const known = isLast ? end.lastBatch : undefined;
  if (!known || known.targetOffset !== batch.baseOffset || known.crc === batch.crc) return true;
  return await at.isCompacted();
}

/** The batch that holds an offset, also a control batch; undefined when none does. */
async function batchAt(
  { target, route }: TargetSide,
  offset: bigint,
  signal: AbortSignal,
): Promise<Batch | undefined> {
  const { targetTopic: topic, partition } = route;
  const range = { topic, partition, from: offset, to: offset + 1n };
  const options = { ...range, committedOnly: false, withControl: true };
  for await (const batch of readBatches(target, options, signal)) return batch;
  return undefined;
}

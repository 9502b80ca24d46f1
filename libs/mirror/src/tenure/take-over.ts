import { failpoint } from "@hybridge/core";
import { OffsetOutOfRangeError, UnknownTopicError } from "@hybridge/kafka";
import {
  describeTopicConfig,
  offsetAt,
  rangeOf,
  TopicRecreatedError,
  type Fence,
  type Fencer,
} from "@hybridge/kafka/raw";
import { TargetDeletedError, TargetDivergedError, TargetLostError } from "../errors.ts";
import { mirrorEvents } from "../events.ts";
import type { Route } from "../route.ts";
import type { PositionLedger } from "../positions/ledger.ts";
import { compareTail, type Found } from "./resume.ts";
import { findTargetLoss } from "./target-loss.ts";
import type { MirrorContext } from "../context.ts";

/** Markers that are written at all are written within milliseconds. */
const MARKER_SOON_MS = 500;

/** What a take-over leaves behind: who owns the target partition, and where both logs go on. */
export interface TakenOver {
  readonly owner: Fence;
  readonly ledger: PositionLedger;
  readonly next: bigint;
  /** The source's leader epoch before `next`; -1 when it is not known. */
  readonly epoch: number;
  readonly targetEnd: bigint;
  readonly leader: number;
  readonly bytesMax: number;
}

/**
 * Makes this mirror the only one that can append to a target partition, and finds the source
 * offset to go on from.
 *
 * @param fencer this process's own for the partition: if anybody else fenced since, it fails
 * @throws FencedError, TargetDivergedError, TopicRecreatedError, OffsetOutOfRangeError
 */
export async function takeOver(
  context: MirrorContext,
  route: Route,
  fencer: Fencer,
  onFenced: () => void,
  signal: AbortSignal,
): Promise<TakenOver> {
  const { source, target, takeOvers } = context;
  const { sourceTopic, targetTopic } = route;
  const { marked, ...ids } = await takeOvers.run(async () => {
    const from = await source.topic(sourceTopic, signal);
    const to = await target.topic(targetTopic, signal).catch((error: unknown) => {
      throw deletedTarget(context, route, from.id, error) ?? error;
    });
    await fencer.begin(signal);
    const marked = await fencer.markedWithin(MARKER_SOON_MS, signal);
    return { sourceTopicId: from.id, targetTopicId: to.id, marked };
  }, signal);
  // Without a turn: a partition that cannot be written to must not hold up the others.
  const owner = marked ?? (await fencer.marked(signal));
  failpoint("mirror.fenced");
  onFenced();
  return await takeOvers.run(async () => {
    // What another owner wrote down until the fence counts, above all which records it put aside.
    if (!owner.isContinued) await context.positions.readOn(signal);
    const ledger = context.positions.of({ ...route, ...ids }, owner);
    fencer.confirm();
    return await findPlace(context, route, owner, ledger, signal);
  }, signal);
}

/** The error to give up with when the target topic, and what was mirrored to it, is gone. */
function deletedTarget(
  { targets, positions, onTargetDeletion }: MirrorContext,
  route: Route,
  sourceTopicId: string,
  error: unknown,
): Error | undefined {
  if (!(error instanceof UnknownTopicError) || !targets.isGone(route.targetTopic)) return undefined;
  if (onTargetDeletion === "copy") return undefined;
  const hasHeld = positions.targetIds({ ...route, sourceTopicId }).size > 0;
  return hasHeld ? new TargetDeletedError(route, false) : undefined;
}

/**
 * True when what was mirrored went to another topic of the target's name: it was deleted, and the
 * topic made again.
 *
 * @throws TargetDeletedError unless it is to be filled again
 */
function isTargetNew(
  { positions, onTargetDeletion }: MirrorContext,
  route: Route,
  ledger: PositionLedger,
): boolean {
  if (ledger.end !== undefined || positions.targetIds(ledger.scope).size === 0) return false;
  if (onTargetDeletion === "copy") return true;
  throw new TargetDeletedError(route, true);
}

async function findPlace(
  context: MirrorContext,
  route: Route,
  owner: Fence,
  ledger: PositionLedger,
  signal: AbortSignal,
): Promise<TakenOver> {
  const { target, batchBytesMax } = context;
  const { targetTopic, partition } = route;
  const targetEnd = owner.endOffsets.get(partition) ?? 0n;
  const { next, epoch } = await resume(context, route, ledger, targetEnd, signal);
  return {
    owner,
    ledger,
    next,
    epoch,
    targetEnd,
    bytesMax: await batchBytesMax(targetTopic, signal),
    leader: await target.leader(targetTopic, partition, signal),
  };
}

async function resume(
  context: MirrorContext,
  route: Route,
  ledger: PositionLedger,
  targetEnd: bigint,
  signal: AbortSignal,
): Promise<Found> {
  const { source, target, emit } = context;
  const { sourceTopic, targetTopic, partition } = route;
  const range = await rangeOf(source, sourceTopic, partition, signal);
  const start = await offsetAt(target, { topic: targetTopic, partition }, "earliest", signal);
  context.positions.prune(ledger, range.start, start);
  const loss = await findTargetLoss(
    {
      ...{ target, route, ledger, targetEnd },
      targetStart: start,
      isCompacted: () => isCompacted(context, route, "target", signal),
    },
    signal,
  );
  if (loss) {
    if (context.onTargetLoss === "stop") throw new TargetLostError(route, loss);
    ledger.cut(loss.targetFrom);
  }
  const { end } = ledger;
  const known = loss?.sourceFrom ?? end?.sourceOffset ?? range.start;
  const isCut = known < range.start;
  if (isCut && context.onTruncation === "stop") {
    throw new OffsetOutOfRangeError({
      topic: sourceTopic,
      partition,
      position: known,
      startOffset: range.start,
      endOffset: range.end,
    });
  }
  const isNew = isTargetNew(context, route, ledger);
  const former = end === undefined && !loss ? formerEnd(context, route, ledger) : undefined;
  // Behind a loss stands nothing that came from the source.
  const before = loss ? targetEnd : (end?.targetOffset ?? former ?? start);
  if (before > targetEnd) throw targetCutBack(route, before, targetEnd);
  const found = await compareTail(
    {
      source,
      target,
      route,
      ledger,
      sourceFrom: known,
      sourceStart: range.start,
      sourceEnd: range.end,
      targetFrom: before,
      targetStart: start,
      targetEnd,
      // What an earlier topic of this name left behind its last position is in no source any more;
      // and in a new target may stand what was in flight to the former one.
      followsFormerTopic: former !== undefined || isNew,
      isCompacted: (side) => isCompacted(context, route, side, signal),
    },
    signal,
  );
  if (isNew) emit(mirrorEvents.targetDeleted(route));
  if (former !== undefined) emit(mirrorEvents.topicRecreated(route));
  if (loss) emit(mirrorEvents.targetLost(route, loss));
  if (isCut) emit(mirrorEvents.sourceTruncated(route, known, range.start));
  if (found.next > known) emit(mirrorEvents.tailRecovered(route, found.next - known));
  const next = behindDeadLetters(ledger, found.next > range.start ? found.next : range.start);
  // The epoch is that of the record before the position, or says nothing.
  return { next, epoch: next === found.next ? found.epoch : -1 };
}

async function isCompacted(
  { source, target }: MirrorContext,
  { sourceTopic, targetTopic }: Route,
  side: "source" | "target",
  signal: AbortSignal,
): Promise<boolean> {
  const [cluster, topic] = side === "source" ? [source, sourceTopic] : [target, targetTopic];
  const entries = await describeTopicConfig(cluster, topic, signal);
  const policy = entries.find(({ name }) => name === "cleanup.policy")?.value;
  return policy?.includes("compact") === true;
}

/**
 * Where the records of an earlier source topic of the same name end in the target. Its positions
 * do not count for the new topic, but say which part of the target is not to be compared with it.
 */
function formerEnd(
  { positions: all, onRecreation }: MirrorContext,
  { sourceTopic, targetTopic, partition }: Route,
  { scope }: PositionLedger,
): bigint | undefined {
  const end = all.formerEnd(scope);
  if (end === undefined || onRecreation === "continue") return end;
  throw new TopicRecreatedError(
    `mirror ${sourceTopic}-${partition}: the topic has the id ${scope.sourceTopicId} now, and what stands in ${targetTopic} up to offset ${end} came from one with another id: it was deleted and created again; with HYBRIDGE_ON_RECREATION=continue the new topic is mirrored from its beginning, behind the old records`,
  );
}

/** A record is put aside when all before it is settled, so that nothing up to it is left. */
function behindDeadLetters(ledger: PositionLedger, next: bigint): bigint {
  const settled = ledger.deadLettersEnd;
  return settled > next ? settled : next;
}

function targetCutBack(route: Route, known: bigint, end: bigint): Error {
  return new TargetDivergedError(
    `find the end of ${route.targetTopic}-${route.partition}: it ends at ${end}, and records up to ${known} had been acknowledged: the target lost them; check for an unclean leader election`,
  );
}

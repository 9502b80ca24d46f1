/** `count` records from `sourceOffset` on stand from `targetOffset` on, without a gap. */
export interface PositionRun {
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  readonly count: bigint;
}

/** Runs in the order of the source, with neighbours that continue one another joined. */
export function joinRuns(runs: readonly PositionRun[]): PositionRun[] {
  const sorted = [...runs].sort((a, b) => compareOffsets(a.sourceOffset, b.sourceOffset));
  const joined: PositionRun[] = [];
  for (const run of sorted) {
    const last = joined.at(-1);
    if (
      last &&
      last.sourceOffset + last.count === run.sourceOffset &&
      last.targetOffset + last.count === run.targetOffset
    ) {
      joined[joined.length - 1] = { ...last, count: last.count + run.count };
    } else if (run.count > 0n) joined.push(run);
  }
  return joined;
}

/**
 * The source offset up to which (exclusive) everything mirrored stands below a target offset: what
 * is complete in the target below `targetEnd` is complete in the source below the result.
 */
export function sourceEndOf(runs: readonly PositionRun[], targetEnd: bigint): bigint {
  let end = 0n;
  for (const { sourceOffset, targetOffset, count } of runs) {
    if (targetEnd <= targetOffset) break;
    const within = targetEnd - targetOffset;
    end = sourceOffset + (within < count ? within : count);
  }
  return end;
}

export function compareOffsets(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Source offsets below `end` that stand in runs: as many records were mirrored. */
export function countBelow(runs: readonly PositionRun[], end: bigint): bigint {
  return runs.reduce((sum, { sourceOffset, count }) => {
    const below = end - sourceOffset;
    return sum + (below <= 0n ? 0n : below < count ? below : count);
  }, 0n);
}

import type { OffsetRange } from "./protocol.ts";

// Sets of offsets as sorted bounds: [from, to, from, to, ...], each from inclusive, each to
// exclusive, no two of them touching. Most partitions have one interval, and it grows at its end.

export type Bounds = bigint[];

/** A hole in what is covered; without `to` it has no end. */
export interface Hole {
  readonly from: bigint;
  readonly to?: bigint;
}

/** Adds a range; what is there already stays. */
export function addRange(bounds: Bounds, { from, to }: OffsetRange): void {
  const last = bounds.length - 1;
  if (last < 0 || (bounds[last] ?? 0n) < from) {
    bounds.push(from, to);
    return;
  }
  if (bounds[last] === from) {
    bounds[last] = to;
    return;
  }
  const first = firstReaching(bounds, from);
  let end = first;
  let low = from;
  let high = to;
  for (; end < bounds.length && (bounds[end] ?? 0n) <= to; end += 2) {
    low = min(low, bounds[end] ?? low);
    high = max(high, bounds[end + 1] ?? high);
  }
  bounds.splice(first, end - first, low, high);
}

/** True when any offset of the range is in the set. */
export function overlaps(bounds: Bounds, { from, to }: OffsetRange): boolean {
  const last = bounds.length - 1;
  if (last < 0 || (bounds[last] ?? 0n) <= from) return false;
  // The first interval that ends behind `from`: a touching end does not overlap.
  for (let index = firstReaching(bounds, from); index < bounds.length; index += 2) {
    if ((bounds[index + 1] ?? 0n) > from) return (bounds[index] ?? 0n) < to;
  }
  return false;
}

/** True when every offset of the range is in the set. */
export function covers(bounds: Bounds, { from, to }: OffsetRange): boolean {
  const index = firstReaching(bounds, from);
  for (const at of [index, index + 2]) {
    const [low, high] = [bounds[at], bounds[at + 1]];
    if (low !== undefined && high !== undefined && low <= from && to <= high) return true;
  }
  return from >= to;
}

/** Where coverage that begins at 0 ends first. */
export function firstHole(bounds: Bounds): Hole {
  const [low, high] = bounds;
  if (low === undefined || high === undefined) return { from: 0n };
  if (low > 0n) return { from: 0n, to: low };
  const next = bounds[2];
  return next === undefined ? { from: high } : { from: high, to: next };
}

export function rangesOf(bounds: Bounds): OffsetRange[] {
  const ranges: OffsetRange[] = [];
  for (let index = 0; index < bounds.length; index += 2) {
    ranges.push({ from: bounds[index] ?? 0n, to: bounds[index + 1] ?? 0n });
  }
  return ranges;
}

/** Index of the first interval whose end is at or behind `offset`. */
function firstReaching(bounds: Bounds, offset: bigint): number {
  let low = 0;
  let high = bounds.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((bounds[2 * middle + 1] ?? 0n) < offset) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

const min = (a: bigint, b: bigint) => (a < b ? a : b);
const max = (a: bigint, b: bigint) => (a > b ? a : b);

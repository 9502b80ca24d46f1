import type { ClusterOptions, PositionRun } from "./api.ts";

export async function readPositions(
  _target: ClusterOptions,
  _sourceTopic: string,
  _signal: AbortSignal,
): Promise<ReadonlyMap<number, readonly PositionRun[]>> {
  return await Promise.resolve(new Map());
}

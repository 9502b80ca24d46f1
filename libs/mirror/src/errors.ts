import { HybridgeError } from "@hybridge/core";

/** The target holds records behind the last known position that the source does not hold. */
export class TargetDivergedError extends HybridgeError {
  readonly code = "MIRROR_TARGET_DIVERGED";
  readonly retry = "never";
}

/** Every partition was taken over by another mirror, or cannot go on. */
export class NothingToMirrorError extends HybridgeError {
  readonly code = "MIRROR_ALL_STOPPED";
  readonly retry = "never";
}

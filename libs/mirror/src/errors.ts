import { HybridgeError } from "@hybridge/core";
import type { Route } from "./route.ts";
import type { TargetLoss } from "./tenure/target-loss.ts";

/** The target holds records behind the last known position that the source does not hold. */
export class TargetDivergedError extends HybridgeError {
  readonly code = "MIRROR_TARGET_DIVERGED";
  readonly retry = "never";
}

/** The target lost records that it had acknowledged. */
export class TargetLostError extends HybridgeError {
  readonly code = "MIRROR_TARGET_LOST";
  readonly retry = "never";
  readonly loss: TargetLoss;

  constructor(route: Route, loss: TargetLoss) {
    const { sourceTopic, targetTopic, partition } = route;
    super(
      `find the end of ${targetTopic}-${partition}: ${loss.records} records that had been acknowledged are not there any more: target offsets ${loss.targetFrom} to ${loss.targetEnd - 1n}, source offsets ${loss.sourceFrom} to ${loss.sourceEnd - 1n} of ${sourceTopic}; check for an unclean leader election; with HYBRIDGE_ON_TARGET_LOSS=copy they are copied again, behind what stands there`,
    );
    this.loss = loss;
  }
}

/** Every partition was taken over by another mirror, or cannot go on. */
export class NothingToMirrorError extends HybridgeError {
  readonly code = "MIRROR_ALL_STOPPED";
  readonly retry = "never";
}

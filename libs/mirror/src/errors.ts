import { HybridgeError } from "@hybridge/core";
import type { Route } from "./route.ts";
import type { TargetLoss } from "./tenure/target-loss.ts";
import type { TargetConcern } from "./topics/target-settings.ts";

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

/** The target topic that records were mirrored to is gone, and another may have its name now. */
export class TargetDeletedError extends HybridgeError {
  readonly code = "MIRROR_TARGET_DELETED";
  readonly retry = "never";

  constructor({ sourceTopic, targetTopic, partition }: Route, isMadeAgain: boolean) {
    super(
      `mirror ${sourceTopic}-${partition}: the target topic ${targetTopic}, which held its records, was deleted${isMadeAgain ? " and made again" : ""}; with HYBRIDGE_ON_TARGET_DELETION=copy it is ${isMadeAgain ? "" : "made and "}filled again from the beginning of the source`,
    );
  }
}

/** An existing target topic has settings under which records would not be the same. */
export class TargetUnfitError extends HybridgeError {
  readonly code = "MIRROR_TARGET_UNFIT";
  readonly retry = "backoff";

  constructor(targetTopic: string, { setting, value, effect, remedy }: TargetConcern) {
    super(`mirror to ${targetTopic}: it has ${setting}=${value}, and ${effect}; ${remedy}`);
  }
}

/** Every partition was taken over by another mirror, or cannot go on. */
export class NothingToMirrorError extends HybridgeError {
  readonly code = "MIRROR_ALL_STOPPED";
  readonly retry = "never";
}

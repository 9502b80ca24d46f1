import { HybridgeError } from "@hybridge/core";

/** As many queries as the gateway allows are running on the engine already. */
export class TooManyQueriesError extends HybridgeError {
  readonly code = "TOO_MANY_QUERIES";
  override readonly kind = "exhausted";
  readonly retry = "backoff";
}

/** The mirror has written down no positions for the topic: there is nothing to compare. */
export class NothingMirroredError extends HybridgeError {
  readonly code = "NOTHING_MIRRORED";
  readonly retry = "backoff";
}

/** An engine answered a statement of ours with something that is not its answer. */
export class UnexpectedResultError extends HybridgeError {
  readonly code = "UNEXPECTED_RESULT";
  override readonly kind = "internal";
  readonly retry = "never";
}

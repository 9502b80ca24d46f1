import { HybridgeError } from "@hybridge/core";

/** The topic to land does not exist (yet). */
export class TopicMissingError extends HybridgeError {
  readonly code = "WAREHOUSE_TOPIC_MISSING";
  readonly retry = "backoff";
}

import { HybridgeError } from "@hybridge/core";

/** What kind of no an answer of X is. */
export type XRefusal =
  /** Too many requests in the window that X counts by. */
  | "rate-limit"
  /** X holds as many connections of the app as the plan allows, perhaps one that is dead. */
  | "connection-limit"
  /** The plan's posts of the month are used up. */
  | "usage-cap"
  /** The token is wrong, or has no right to the stream. */
  | "credentials"
  /** Everything else: the request, or X itself. */
  | "other";

/** X answered, and not with what was asked for. */
export class XAnswerError extends HybridgeError {
  readonly code = "X_REFUSED";
  readonly retry = "backoff";
  readonly refusal: XRefusal;
  readonly status: number;
  /** When X begins to count requests anew, where the answer says so. */
  readonly resetAtMs: number | undefined;

  constructor(
    message: string,
    answer: {
      readonly refusal: XRefusal;
      readonly status: number;
      readonly resetAtMs: number | undefined;
    },
  ) {
    super(message);
    this.refusal = answer.refusal;
    this.status = answer.status;
    this.resetAtMs = answer.resetAtMs;
  }
}

/** There was no answer, or the stream broke. */
export class XConnectionError extends HybridgeError {
  readonly code = "X_CONNECTION";
  readonly retry = "backoff";
}

/** X does not take some of the rules. Only another configuration helps. */
export class XRulesRefusedError extends HybridgeError {
  override readonly kind = "invalid";
  readonly code = "X_RULES_REFUSED";
  readonly retry = "never";
}

/** The count of posts read cannot be kept, and without it nothing may be read. */
export class ReadsFileError extends HybridgeError {
  readonly code = "X_READS_FILE";
  readonly retry = "backoff";
}

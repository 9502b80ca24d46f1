import { HybridgeError, type Retry } from "@hybridge/core";

/** The request itself is wrong: a field is missing, malformed or out of bounds. */
export class InvalidRequestError extends HybridgeError {
  readonly code = "INVALID_REQUEST";
  override readonly kind = "invalid";
  readonly retry = "never";
}

/** The port of the gRPC server cannot be used. */
export class RpcListenError extends HybridgeError {
  readonly code = "RPC_LISTEN";
  readonly retry = "never";
}

/** A call failed; `status` is the gRPC code's name, `reason` the server's own error code if sent. */
export class RpcCallError extends HybridgeError {
  readonly code = "RPC_CALL";
  readonly retry: Retry;
  readonly status: string;
  readonly reason: string | undefined;

  constructor(
    message: string,
    facts: { status: string; reason: string | undefined; retry: Retry; cause: unknown },
  ) {
    super(message, { cause: facts.cause });
    this.status = facts.status;
    this.reason = facts.reason;
    this.retry = facts.retry;
  }
}

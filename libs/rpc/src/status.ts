import { Metadata, status, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import {
  causes,
  describeError,
  HybridgeError,
  isAbort,
  type ErrorKind,
  type Retry,
} from "@hybridge/core";
import { decodeErrorInfo, encodeStatusDetails } from "./error-details.ts";
import { InvalidRequestError, RpcCallError } from "./errors.ts";

/** Trailer that carries google.rpc.Status. */
const DETAILS = "grpc-status-details-bin";
const DOMAIN = "hybridge";

/** HTTP/2 peers accept about 8 KB of trailers in all, and the message stands in them twice. */
const MESSAGE_CHARACTERS_MAX = 1_000;

const STATUS_BY_KIND = {
  invalid: status.INVALID_ARGUMENT,
  timeout: status.DEADLINE_EXCEEDED,
  exhausted: status.RESOURCE_EXHAUSTED,
  internal: status.INTERNAL,
} as const satisfies Readonly<Record<ErrorKind, status>>;

/**
 * The gRPC status that tells a caller about any thrown value. A HybridgeError travels with its code
 * as ErrorInfo.reason; its kind decides the status, and without one `retry` decides between
 * UNAVAILABLE and FAILED_PRECONDITION. Strangers are INTERNAL.
 */
export function statusOf(error: unknown, signal?: AbortSignal): StatusObject {
  if (isDeadline(error) || (signal?.aborted && isDeadline(signal.reason))) {
    return plain(status.DEADLINE_EXCEEDED, "the deadline of the call has passed");
  }
  if (isAbort(error, signal)) return plain(status.CANCELLED, "the call was cancelled");
  for (const link of causes(error)) {
    if (link instanceof HybridgeError) return detailed(link, describeError(error));
  }
  return plain(status.INTERNAL, `an unexpected error: ${describeError(error)}`);
}

/** The error of a client whose call failed, with what the server said about it. */
export function callErrorOf(error: ServiceError): RpcCallError {
  // Never there when the error was made on our own side, whatever the type says.
  const metadata = error.metadata as Metadata | undefined;
  const [details] = metadata?.get(DETAILS) ?? [];
  const info = details instanceof Uint8Array ? decodeErrorInfo(details) : undefined;
  const name = status[error.code];
  return new RpcCallError(`the call failed with ${name}: ${error.details}`, {
    status: name,
    reason: info?.reason,
    retry: retryOfStatus(error.code, info?.metadata["retry"]),
    cause: error,
  });
}

function retryOfStatus(code: status, told: string | undefined): Retry {
  if (told === "never" || told === "now" || told === "backoff") return told;
  return code === status.UNAVAILABLE || code === status.RESOURCE_EXHAUSTED ? "backoff" : "never";
}

function detailed(error: HybridgeError, message: string): StatusObject {
  const code = statusOfError(error);
  const result = plain(code, message);
  const info = { reason: error.code, domain: DOMAIN, metadata: { retry: error.retry } };
  result.metadata.set(DETAILS, encodeStatusDetails(code, result.details, info));
  return result;
}

function statusOfError({ kind, retry }: HybridgeError): status {
  if (kind !== undefined) return STATUS_BY_KIND[kind];
  return retry === "never" ? status.FAILED_PRECONDITION : status.UNAVAILABLE;
}

function plain(code: status, message: string): StatusObject {
  // grpc-js passes the message through encodeURI, which throws on half a surrogate pair.
  const details = message.slice(0, MESSAGE_CHARACTERS_MAX).toWellFormed();
  return { code, details, metadata: new Metadata() };
}

function isDeadline(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** Refuses a call that says no deadline: an abandoned query would run for ever. */
export function requireDeadline(deadline: Date | number): Date {
  const at = deadline instanceof Date ? deadline : new Date(deadline);
  if (!Number.isFinite(at.getTime())) {
    throw new InvalidRequestError(
      "the call has no deadline; set one (grpcurl: -max-time SECONDS, grpc-js: options.deadline)",
    );
  }
  return at;
}

/** What a caller may do about an error: give up, try again at once, or wait and try again. */
export type Retry = "never" | "now" | "backoff";

/** What an error means to a caller whose request met it, where `retry` alone does not say it. */
export type ErrorKind =
  /** The request is wrong, and will be. */
  | "invalid"
  /** The time that the request had is over. */
  | "timeout"
  /** Too much is asked for at once. */
  | "exhausted"
  /** The fault is ours. */
  | "internal";

/**
 * The root of every error that Hybridge raises on purpose. A subclass owns its `code` (listed in
 * docs/errors.md) and says whether trying again can help. The message tells what was attempted, on
 * what, what came back and what to check.
 */
export abstract class HybridgeError extends Error {
  abstract readonly code: string;
  abstract readonly retry: Retry;
  declare readonly kind?: ErrorKind;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A setting is missing, unknown or out of bounds. The message lists every problem at once. */
export class ConfigError extends HybridgeError {
  readonly code = "CONFIG";
  readonly retry = "never";
}

/** Something that the process needs answers no requests, or not yet. */
export class UnavailableError extends HybridgeError {
  readonly code = "UNAVAILABLE";
  readonly retry = "backoff";
}

/** A bug of ours. Nobody catches it; the process ends. */
export class InvariantError extends HybridgeError {
  readonly code = "INVARIANT";
  override readonly kind = "internal";
  readonly retry = "never";
}

/** Throws InvariantError unless the condition holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

const TRANSIENT_SYSTEM_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOTFOUND",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
]);

/** The chain of an error and its causes, outermost first; at most 16 deep. */
export function* causes(error: unknown): Generator {
  let current = error;
  for (let depth = 0; depth < 16 && current !== undefined && current !== null; depth++) {
    yield current;
    current = current instanceof Error ? current.cause : undefined;
  }
}

/**
 * Classifies any thrown value by walking its causes: the first HybridgeError decides, then the
 * network errors of Node. Strangers are never retried.
 */
export function retryOf(error: unknown): Retry {
  for (const link of causes(error)) {
    if (link instanceof HybridgeError) return link.retry;
    const code = systemCode(link);
    if (code !== undefined && TRANSIENT_SYSTEM_CODES.has(code)) return "backoff";
  }
  return "never";
}

/** One line for people: the message and those of the causes that add something to it. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (const link of causes(error)) {
    const text = link instanceof Error ? messageOf(link) : String(link);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
  }
  return parts.join(": ");
}

/** True when the error only says that the caller's signal was aborted. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  for (const link of causes(error)) {
    if (link instanceof Error && link.name === "AbortError") return true;
  }
  return false;
}

function messageOf(error: Error): string {
  if (error.message !== "") return error.message;
  const nested: unknown[] = error instanceof AggregateError ? error.errors : [];
  const first = nested.find((item): item is Error => item instanceof Error);
  return first?.message ?? systemCode(error) ?? error.name;
}

function systemCode(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("code" in value)) return undefined;
  return typeof value.code === "string" ? value.code : undefined;
}

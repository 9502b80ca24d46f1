import type { Call } from "@hybridge/rpc";
import type { QueryLimits } from "../engine.ts";

/** The longest that a query may take, whatever its caller allows. */
export interface TimeLimit {
  readonly msMax: number;
}

/** The caller's deadline or the gateway's own limit, whichever comes first. */
export function limitsOf(
  call: Pick<Call, "signal" | "deadline">,
  { msMax }: TimeLimit,
): QueryLimits {
  const timeoutMs = Math.max(1, Math.min(call.deadline.getTime() - Date.now(), msMax));
  if (timeoutMs < msMax) return { signal: call.signal, timeoutMs };
  return { signal: AbortSignal.any([call.signal, AbortSignal.timeout(msMax)]), timeoutMs };
}

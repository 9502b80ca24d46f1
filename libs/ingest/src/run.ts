import { describeError, isAbort, retry, retryOf, systemClock } from "@hybridge/core";
import { sessionFailed } from "./events.ts";
import { runSession, type SessionOptions } from "./publisher/session.ts";

/**
 * Sessions one after the other, whenever one fails for a reason that may pass, until the spool is
 * finished and everything in it is settled.
 *
 * @throws what no further session can cure, for example FencedError: another ingest owns the spool
 */
export async function runSessions(options: SessionOptions, signal: AbortSignal): Promise<void> {
  while (!(await runUntilHealthy(options, signal)));
}

/**
 * Sessions one after the other, waiting longer each time.
 *
 * @returns false when a session failed that had been in health: the next waits as after the first
 */
async function runUntilHealthy(options: SessionOptions, signal: AbortSignal): Promise<boolean> {
  const { status, emit } = options;
  let before = status.read().acknowledged;
  const wasHealthy = () => status.read().acknowledged > before;
  let failures = 0;
  const told = (reason: string, error: unknown, waitMs: number) => {
    status.become("DEGRADED", reason);
    emit(sessionFailed(reason, error, waitMs));
  };
  try {
    await retry(
      () => {
        before = status.read().acknowledged;
        return runSession(options, signal);
      },
      {
        signal,
        baseMs: BASE_WAIT_MS,
        maxMs: 5_000,
        classify: (error) => {
          if (isAbort(error, signal)) return "never";
          failures += 1;
          return failures > 1 && wasHealthy() ? "never" : retryOf(error);
        },
        onRetry: (error, waitMs) => told(describeError(error), error, waitMs),
      },
    );
    return true;
  } catch (error) {
    const isFinal = isAbort(error, signal) || retryOf(error) === "never" || !wasHealthy();
    if (isFinal || signal.aborted) throw error;
    told(describeError(error), error, BASE_WAIT_MS);
    await systemClock.sleep(BASE_WAIT_MS, signal);
    return false;
  }
}

const BASE_WAIT_MS = 250;

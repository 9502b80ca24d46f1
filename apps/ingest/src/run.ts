import { describeError, isAbort, retry, retryOf, type Retry } from "@hybridge/core";
import { sessionFailed } from "./events.ts";
import { runSession, type SessionOptions } from "./session.ts";

/**
 * Runs sessions until the source has ended, beginning another whenever one fails for a reason that
 * may pass. Then it waits for the signal: a finished ingest still answers questions.
 *
 * @throws what no further session can cure, for example FencedError: another ingest owns the topic
 */
export async function runIngest(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { status, emit } = options;
  signal.addEventListener("abort", () => status.become("STOPPING"), { once: true });
  await retry(() => runSession(options, signal), {
    signal,
    baseMs: 250,
    maxMs: 5_000,
    classify: (error) => (isAbort(error, signal) ? "never" : adviceOn(error)),
    onRetry(error, waitMs) {
      const reason = describeError(error);
      status.become("DEGRADED", reason);
      emit(sessionFailed(reason, error, waitMs));
    },
  });
  status.become("DONE", "all posts of the replay are in the topic");
  await aborted(signal);
}

/**
 * Others may write into the topic too. The writer cannot tell that from a takeover and stops; the
 * next session reads the ends of the partitions again and goes on behind the stranger's records.
 */
function adviceOn(error: unknown): Retry {
  const stranger =
    error instanceof Error && "code" in error && error.code === "KAFKA_FOREIGN_WRITER";
  return stranger ? "now" : retryOf(error);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
}

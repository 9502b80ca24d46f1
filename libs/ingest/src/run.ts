import { describeError, isAbort, retry, retryOf, systemClock, type Retry } from "@hybridge/core";
import { sessionFailed, sourceRead } from "./events.ts";
import { runSession, type SessionOptions } from "./publisher/session.ts";

/**
 * Runs sessions until the source has ended, beginning another whenever one fails for a reason that
 * may pass. Then it waits for the signal: a finished ingest still answers questions.
 *
 * @throws what no further session can cure, for example FencedError: another ingest owns the topic
 */
export async function runIngest(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { status, emit, topic } = options;
  signal.addEventListener("abort", () => status.become("STOPPING"), { once: true });
  while (!(await runSessions(options, signal)));
  const { read, acknowledged } = status.read();
  emit(sourceRead(topic, read));
  const had = acknowledged === 0 && read.posts + read.deletions > 0;
  status.become(
    "DONE",
    had
      ? "the topic had all posts of the replay before"
      : "all posts of the replay are in the topic",
  );
  await aborted(signal);
}

/**
 * Sessions one after the other, waiting longer each time, until the source has ended.
 *
 * @returns false when a session failed that had been in health: the next waits as after the first
 */
async function runSessions(options: SessionOptions, signal: AbortSignal): Promise<boolean> {
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
          return failures > 1 && wasHealthy() ? "never" : adviceOn(error);
        },
        onRetry: (error, waitMs) => told(describeError(error), error, waitMs),
      },
    );
    return true;
  } catch (error) {
    const isFinal = isAbort(error, signal) || adviceOn(error) === "never" || !wasHealthy();
    if (isFinal || signal.aborted) throw error;
    told(describeError(error), error, BASE_WAIT_MS);
    await systemClock.sleep(BASE_WAIT_MS, signal);
    return false;
  }
}

const BASE_WAIT_MS = 250;

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

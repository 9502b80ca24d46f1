import type { MonotonicClock } from "@hybridge/core";

/**
 * Passes on what comes, and calls `onSilence` when nothing has come for `limitMs` while it was
 * waited for; the time that the consumer takes does not count. `onSilence` has to end the source.
 */
export async function* watchSilence<T>(
  source: AsyncIterable<T>,
  limitMs: number,
  clock: MonotonicClock,
  onSilence: () => void,
): AsyncGenerator<T> {
  const ended = new AbortController();
  let waitingSinceMs: number | undefined;
  // One timer at a time, set anew when it fires early: one for each thing that comes would be many.
  const watch = async () => {
    for (;;) {
      const silentMs = waitingSinceMs === undefined ? 0 : clock.monotonic() - waitingSinceMs;
      if (silentMs >= limitMs) {
        onSilence();
        return;
      }
      await clock.sleep(limitMs - silentMs, ended.signal);
    }
  };
  watch().catch(() => undefined);
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      waitingSinceMs = clock.monotonic();
      const next = await iterator.next();
      waitingSinceMs = undefined;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    ended.abort();
    await iterator.return?.();
  }
}

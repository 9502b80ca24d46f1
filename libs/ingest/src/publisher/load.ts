import type { Outgoing } from "./lane.ts";

/** What is under way over all lanes, and the one place where the publisher waits for it. */
export interface Load {
  add(record: Outgoing): void;
  settle(outgoing: readonly Outgoing[]): void;
  /** Ends every wait with this error. */
  fail(error: unknown): void;
  posts(): number;
  isFull(): boolean;
  /** @throws the error given to fail(), or the signal's reason */
  check(signal: AbortSignal): void;
  /** Resolves when something was settled. @throws as check() does */
  change(signal: AbortSignal): Promise<void>;
}

export function trackLoad(bytesMax: number): Load {
  let bytes = 0;
  let posts = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const check = (signal: AbortSignal) => {
    if (failure) throw failure.error;
    signal.throwIfAborted();
  };
  return {
    add(record) {
      bytes += record.bytes;
      posts += 1;
    },
    settle(outgoing) {
      for (const record of outgoing) bytes -= record.bytes;
      posts -= outgoing.length;
      wake?.();
    },
    fail(error) {
      failure ??= { error };
      wake?.();
    },
    posts: () => posts,
    isFull: () => bytes >= bytesMax,
    check,
    async change(signal) {
      check(signal);
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener("abort", done);
          wake = undefined;
          resolve();
        };
        wake = done;
        signal.addEventListener("abort", done, { once: true });
      });
      check(signal);
    },
  };
}

import { HybridgeError, type Retry } from "@hybridge/core";

/** A replay file that was there at the start can no longer be read. */
export class ReplayFileError extends HybridgeError {
  readonly code = "REPLAY_FILE";
  readonly retry = "never";
}

/** Dead letters cannot be written. A full disk may get room; a wrong folder stays wrong. */
export class DeadLetterWriteError extends HybridgeError {
  readonly code = "DEAD_LETTER_WRITE";
  readonly retry: Retry;

  constructor(path: string, cause: unknown) {
    const full = cause instanceof Error && "code" in cause && FULL_DISK.has(String(cause.code));
    super(
      `cannot write dead letters to ${path}: ` +
        (full
          ? "the disk is full; make room, it goes on by itself"
          : "check HYBRIDGE_DEAD_LETTER_DIR and who may write there"),
      { cause },
    );
    this.retry = full ? "backoff" : "never";
  }
}

const FULL_DISK: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

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
    super(writeFailure(`dead letters to ${path}`, DEAD_LETTER_ADVICE, cause), { cause });
    this.retry = retryOfWrite(cause);
  }
}

/** The spool's files are of a newer version. */
export class SpoolFormatError extends HybridgeError {
  readonly code = "SPOOL_FORMAT";
  readonly retry = "never";
}

/** Something that the spool kept is missing or changed on the disk. */
export class SpoolDamagedError extends HybridgeError {
  readonly code = "SPOOL_DAMAGED";
  readonly retry = "never";
}

/** Another process has opened the spool. */
export class SpoolTakenError extends HybridgeError {
  readonly code = "SPOOL_TAKEN";
  readonly retry = "never";
}

/** The spool cannot be written. A full disk may get room; a wrong folder stays wrong. */
export class SpoolWriteError extends HybridgeError {
  readonly code = "SPOOL_WRITE";
  readonly retry: Retry;

  constructor(path: string, cause: unknown) {
    super(writeFailure(`the spool at ${path}`, SPOOL_ADVICE, cause), { cause });
    this.retry = retryOfWrite(cause);
  }
}

const DEAD_LETTER_ADVICE = "check HYBRIDGE_DEAD_LETTER_DIR and who may write there";
const SPOOL_ADVICE = "check HYBRIDGE_SPOOL_DIR, who may write there, and the disk";

function writeFailure(what: string, advice: string, cause: unknown): string {
  const isFull = isFullDisk(cause);
  return `cannot write ${what}: ${isFull ? "the disk is full; make room, it goes on by itself" : advice}`;
}

function retryOfWrite(cause: unknown): Retry {
  return isFullDisk(cause) ? "backoff" : "never";
}

function isFullDisk(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && FULL_DISK.has(String(cause.code));
}

const FULL_DISK: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

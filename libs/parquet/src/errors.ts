import { HybridgeError } from "@hybridge/core";

/** The folder for staged files cannot take more; encoding is tried again until it can. */
export class StagingFullError extends HybridgeError {
  readonly code = "PARQUET_STAGING_FULL";
  readonly retry = "backoff";
}

/** DuckDB could not write or read a Parquet file, for a reason that trying again does not change. */
export class ParquetError extends HybridgeError {
  readonly code = "PARQUET_FAILED";
  readonly retry = "never";
}

/** Names an error of Node's files or of DuckDB: a disk that is full passes, the rest does not. */
export function parquetError(attempted: string, error: unknown): StagingFullError | ParquetError {
  const text = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|EDQUOT|no space left|disk quota|not enough.*space/i.test(text)) {
    const advice = "Free space there; encoding goes on by itself.";
    return new StagingFullError(`${attempted}: no space left in the staging folder. ${advice}`, {
      cause: error,
    });
  }
  const advice = /out of memory/i.test(text) ? " Raise HYBRIDGE_MEMORY_BYTES_MAX." : "";
  return new ParquetError(`${attempted}: ${text}${advice}`, { cause: error });
}

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

/** DuckDB has no room for what one statement writes. With fewer files at once it may have. */
export class ParquetMemoryError extends HybridgeError {
  readonly code = "PARQUET_MEMORY";
  readonly retry = "never";
}

/** Names an error of Node's files or of DuckDB: a disk that is full passes, the rest does not. */
export function parquetError(attempted: string, error: unknown): HybridgeError {
  const text = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|EDQUOT|no space left|disk quota|not enough.*space/i.test(text)) {
    const advice = "Free space there; encoding goes on by itself.";
    return new StagingFullError(`${attempted}: no space left in the staging folder. ${advice}`, {
      cause: error,
    });
  }
  if (/out of memory/i.test(text)) {
    const advice = "Raise HYBRIDGE_MEMORY_BYTES_MAX.";
    return new ParquetMemoryError(`${attempted}: ${text} ${advice}`, { cause: error });
  }
  return new ParquetError(`${attempted}: ${text}`, { cause: error });
}

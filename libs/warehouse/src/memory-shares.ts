import type { WarehouseConfig } from "./settings.ts";

const MIB = 1_048_576;
/**
 * What is taken whatever the setting, measured at full speed: 90 MiB of programs, 55 of JavaScript's
 * heap, the clients' own, and a row group in DuckDB.
 */
const BASE_BYTES = 270 * MIB;
/** With less DuckDB cannot write a row group of 4 MiB of posts; with hundreds of hours it takes more. */
const ENCODER_BYTES_MIN = 64 * MIB;

/** How the memory of a process is divided. */
export interface MemoryShares {
  /** Records of the open flush; the one that is encoded has as many. */
  readonly bufferBytesMax: number;
  /** Fetched batches that wait to be taken in. */
  readonly sourceBytesMax: number;
  /** DuckDB's own; it takes what it needs and no more than this. */
  readonly encoderBytesMax: number;
}

/**
 * Divides the memory that a process may have: two buffers (one fills while the other is encoded) and
 * fetched batches. A record takes half as much again as its bytes in a buffer, and what is fetched as
 * much again until it is collected, so that the shares make a half of what is free.
 */
export function memoryShares(memoryBytesMax: number): MemoryShares {
  const free = memoryBytesMax - BASE_BYTES;
  const share = (part: number) => Math.floor(free * part);
  return {
    bufferBytesMax: share(0.17),
    sourceBytesMax: share(0.08),
    encoderBytesMax: ENCODER_BYTES_MIN + share(0.1),
  };
}

/** What an encoder may take for its own work. */
export function encoderMemory(config: WarehouseConfig): number {
  return memoryShares(config.HYBRIDGE_MEMORY_BYTES_MAX).encoderBytesMax;
}

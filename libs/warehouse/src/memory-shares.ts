import type { WarehouseConfig } from "./settings.ts";

const MIB = 1_048_576;
/** What Node, DuckDB and the clients take before anything is read; measured. */
const BASE_BYTES = 190 * MIB;

/** How the memory of a process is divided. */
export interface MemoryShares {
  /** Records of the open flush; the one under way has as many. */
  readonly bufferBytesMax: number;
  /** Fetched batches that wait to be taken in. */
  readonly sourceBytesMax: number;
  /** DuckDB's own. */
  readonly encoderBytesMax: number;
}

/**
 * Divides the memory that a process may have: two buffers (one fills while the other is encoded),
 * fetched batches, and DuckDB's working memory. Buffers of 40 MiB with 128 MiB for DuckDB took 305 MB
 * more than nothing at full speed; the rest is garbage that is not collected yet.
 */
export function memoryShares(memoryBytesMax: number): MemoryShares {
  const free = Math.max(memoryBytesMax - BASE_BYTES, 64 * MIB);
  const share = (part: number) => Math.floor(free * part);
  return {
    bufferBytesMax: share(0.12),
    sourceBytesMax: share(0.06),
    encoderBytesMax: share(0.36),
  };
}

/** What an encoder may take for its own work. */
export function encoderMemory(config: WarehouseConfig): number {
  return memoryShares(config.HYBRIDGE_MEMORY_BYTES_MAX).encoderBytesMax;
}

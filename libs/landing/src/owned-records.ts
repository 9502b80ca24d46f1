import type { LandingRecord } from "./ports.ts";

/**
 * Copies records into one block of memory of their own. A reader's buffers are views of a whole
 * fetch of many partitions: one record of a quiet partition, kept for seconds, would keep all of it.
 */
export function ownedRecords(records: readonly LandingRecord[]): LandingRecord[] {
  let size = 0;
  for (const { key, value, headers } of records) {
    size += (key?.length ?? 0) + (value?.length ?? 0);
    for (const [, content] of headers) size += content?.length ?? 0;
  }
  const block = Buffer.allocUnsafeSlow(size);
  let at = 0;
  const own = (buffer: Buffer | null): Buffer | null => {
    if (buffer === null) return null;
    const start = at;
    at += buffer.copy(block, at);
    return block.subarray(start, at);
  };
  return records.map(({ offset, timestampMs, key, value, headers }) => ({
    offset,
    timestampMs,
    key: own(key),
    value: own(value),
    headers: headers.map(([name, content]) => [name, own(content)] as const),
  }));
}

import { rm } from "node:fs/promises";
import { HybridgeError, isAbort } from "@hybridge/core";
import type { EncodeRequest } from "@hybridge/landing";
import { parquetError } from "./errors.ts";
import { accountOf, readBack } from "./read-back.ts";
import type { RowBuffer } from "./row-buffer.ts";
import { writeHours, type EncodedFiles, type EncodeTools } from "./write-hours.ts";

/** Writes the files of a buffer's rows, one an hour, and reads them back. */
export async function encodeRows(
  tools: EncodeTools,
  buffer: RowBuffer,
  { landedAtMs, without = [], signal }: EncodeRequest,
): Promise<EncodedFiles> {
  signal.throwIfAborted();
  const isWanted = buffer.isWanted(without);
  const { order, hours } = buffer.byHour(isWanted);
  const directory = await tools.staging.folder();
  try {
    const job = { tools, buffer, order, landedAtMs, directory, signal };
    const written = await writeHours(job, hours);
    const found = await readBack(tools.connection, written, signal);
    const { files, partitions } = accountOf(buffer, isWanted, written, found);
    return {
      files,
      partitions,
      deadLetters: buffer.deadLetters.flatMap(([index, letter]) => (isWanted[index] ? letter : [])),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (error instanceof HybridgeError || isAbort(error, signal)) throw error;
    throw parquetError(`encode ${order.length} rows in ${directory}`, error);
  }
}

import { createHash, randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { UnavailableError } from "@hybridge/core";
import type { EngineOptions, FlushDeadLetter } from "@hybridge/landing";

const compress = promisify(gzip);

/**
 * Writes dead letters as gzipped NDJSON: all that it takes to find a record and to write it to Kafka
 * again. Bytes are base 64, since they are what could not be read.
 */
export function deadLetterFiles(stagingDirectory: string): EngineOptions["writeDeadLetters"] {
  return async (letters, signal) => {
    const content = await compress(
      letters.map((letter) => `${JSON.stringify(plain(letter))}\n`).join(""),
    );
    const localPath = join(stagingDirectory, `dead-${randomUUID()}.ndjson.gz`);
    try {
      await mkdir(stagingDirectory, { recursive: true });
      await writeFile(localPath, content, { signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new UnavailableError(`cannot write dead letters to ${localPath}; is the disk full?`, {
        cause,
      });
    }
    return {
      localPath,
      bytes: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
      [Symbol.asyncDispose]: () => rm(localPath, { force: true }),
    };
  };
}

function plain(letter: FlushDeadLetter): Record<string, unknown> {
  const { topic, topicId, partition, offset, timestampMs, reason, key, value, headers } = letter;
  return {
    ...{ topic, topicId, partition },
    offset: String(offset),
    timestampMs,
    reason,
    key: key?.toString("base64") ?? null,
    value: value?.toString("base64") ?? null,
    headers: headers.map(([name, content]) => [name, content?.toString("base64") ?? null]),
  };
}

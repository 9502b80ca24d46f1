import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { segmentFileName } from "../ledger.ts";
import type {
  Cut,
  DeadLetter,
  EncodedFile,
  EncodedSegment,
  LandingRecord,
  SegmentEncoder,
} from "../ports.ts";

/**
 * An encoder for tests: one line `offset<TAB>value` per record, one file per hour of the record's
 * timestamp. A value that begins with "bad" is a dead letter.
 */
export function textEncoder(schema = "t1"): SegmentEncoder {
  return {
    schema,
    async encode(cut, records): Promise<EncodedSegment> {
      const directory = await mkdtemp(join(tmpdir(), "hybridge-text-"));
      const hours = new Map<string, string[]>();
      const deadLetters: DeadLetter[] = [];
      for (const record of records) {
        const text = record.value?.toString() ?? "";
        if (text.startsWith("bad")) {
          deadLetters.push({ ...record, ...idOf(cut), reason: "begins with bad" });
          continue;
        }
        const hour = new Date(record.timestampMs).toISOString().slice(0, 13);
        const lines = hours.get(hour) ?? [];
        lines.push(`${record.offset}\t${text}\n`);
        hours.set(hour, lines);
      }
      const files: EncodedFile[] = [];
      for (const [hour, lines] of [...hours].sort(([a], [b]) => (a < b ? -1 : 1))) {
        files.push(await encodedFile(cut, directory, hour, lines.join(""), lines.length));
      }
      return {
        files,
        deadLetters,
        async [Symbol.asyncDispose]() {
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  };
}

/** Writes one file below `directory` as an encoder would have. `hour` is `2026-11-23T09`. */
export async function encodedFile(
  cut: Cut,
  directory: string,
  hour: string,
  content: string,
  rows = 1,
): Promise<EncodedFile> {
  const [dt = "", hr = ""] = hour.split("T");
  const bytes = Buffer.from(content);
  const localPath = join(directory, `${dt}-${hr}-${segmentFileName(cut, "txt")}`);
  await writeFile(localPath, bytes);
  return {
    name: `dt=${dt}/hr=${hr}/${segmentFileName(cut, "txt")}`,
    localPath,
    dt,
    hr,
    rows,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

function idOf({ topic, partition }: Cut) {
  return { topic, partition };
}

/** A record with a text value, for tests. */
export function textRecord(offset: bigint, value: string, timestampMs = 0): LandingRecord {
  return { offset, timestampMs, key: null, value: Buffer.from(value), headers: [] };
}

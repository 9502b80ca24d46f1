import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { join } from "node:path";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import type { CatalogPosition, Following, FlushRecord, LogFile } from "@hybridge/landing";
import type { Hdfs } from "@hybridge/local";
import { flushEncoder } from "@hybridge/parquet";
import type { StoredCatalogPosition } from "../src/index.ts";

/** Encodes records and puts the files of their hours into a table's folder, as a warehouse does. */
export async function landRecords(
  hdfs: Hdfs,
  directory: string,
  location: string,
  records: readonly FlushRecord[],
  signal: AbortSignal,
): Promise<LogFile[]> {
  await using webHdfs = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
  const store = hdfsTableStore(webHdfs, location);
  const stagingDirectory = join(directory, "staging");
  await using encoder = await flushEncoder({ stagingDirectory, compression: "zstd" });
  await using buffer = encoder.open();
  buffer.append({ topic: "hybrid", topicId: "topic-id-1", partition: 3 }, records);
  await using encoded = await buffer.encode({ landedAtMs: Date.now(), signal });
  const files: LogFile[] = [];
  for (const file of encoded.files) {
    const { dt, hr, rows, bytes, sha256 } = file;
    const path = `dt=${dt}/hr=${hr}/${randomUUID()}.parquet`;
    await store.upload(`_staging/${sha256}`, file, signal);
    await store.move(`_staging/${sha256}`, path, signal);
    files.push({ path, rows, bytes, sha256 });
  }
  return files;
}

/** A commit that brings files, as it is followed. */
export function commitOf(number: number, files: readonly LogFile[]): Following {
  const actions = [{ do: "add", columns: "c", files } as const];
  const commit = { log: "log", id: "", base: number - 1, at: 0, writer: "", actions };
  const from = { log: "log", number: number - 1 };
  return { from, to: number, columns: () => [], commits: [{ number, commit }] };
}

/** A position that outlives a follower and nothing else. */
export function storedPosition(): StoredCatalogPosition & {
  readonly now: CatalogPosition | undefined;
} {
  let position: CatalogPosition | undefined;
  return {
    get now() {
      return position;
    },
    read: () => Promise.resolve(position),
    write: (next) => Promise.resolve(void (position = next)),
  };
}

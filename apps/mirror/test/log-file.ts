import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Batch, HEADER_BYTES } from "@hybridge/kafka/raw";

/** One batch in a broker's segment file. */
export interface StoredBatch {
  readonly batch: Batch;
  /** Where it begins in the file. */
  readonly at: number;
}

/** The newest segment of a partition, under the folder of a broker that startKafka made. */
export function newestSegment(brokerDir: string, topic: string, partition = 0): string {
  const folder = join(brokerDir, "data", `${topic}-${partition}`);
  const newest = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .sort()
    .at(-1);
  if (newest === undefined) throw new RangeError(`${folder} holds no segment`);
  return join(folder, newest);
}

/** The batches of a segment, in order; copies. */
export function readSegment(file: string): StoredBatch[] {
  const bytes = readFileSync(file);
  const batches: StoredBatch[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const size = bytes.readInt32BE(at + 8) + 12;
    if (size < HEADER_BYTES) break;
    batches.push({ batch: new Batch(bytes.subarray(at, at + size)), at });
    at += size;
  }
  return batches;
}

/** Turns one byte in the middle of a batch's records around; whoever maps the file sees it at once. */
export function damage(file: string, { batch, at }: StoredBatch): void {
  const position = at + HEADER_BYTES + (batch.payload.length >> 1);
  const byte = batch.bytes[position - at] ?? 0;
  const handle = openSync(file, "r+");
  writeSync(handle, Buffer.of(byte ^ 0xff), 0, 1, position);
  closeSync(handle);
}

/** Cuts the end off a segment of a broker that is down, as a disk that lost it would. */
export function cutOff(file: string, length: number): void {
  truncateSync(file, length);
  // They may speak of what is gone; the broker makes them again.
  for (const index of [".index", ".timeindex"]) {
    rmSync(file.replace(/\.log$/, index), { force: true });
  }
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "@hybridge/core";
import { replaceFile } from "./files.ts";

/** How much of the spool a topic has, at one moment. */
export interface Acknowledged {
  readonly topic: string;
  /** Records below are settled in all partitions. */
  readonly ordinal: number;
  /** How many partitions keys are spread over where a frame does not say it. */
  readonly partitions: number;
  /** By partition. */
  readonly places: readonly PartitionPlace[];
}

export interface PartitionPlace {
  readonly partition: number;
  /** The highest ordinal that is known to be there; -1 for none. */
  readonly ordinal: number;
  /** Records of higher ordinals stand at this offset or behind. */
  readonly offset: string;
}

const FILE = "acknowledged.json";

/** What was written last; undefined when nothing was, or when it is torn: then the topic tells. */
export async function readAcknowledged(dir: string): Promise<Acknowledged | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, FILE), "utf8")) as Acknowledged;
  } catch {
    return undefined;
  }
}

export async function writeAcknowledged(dir: string, acknowledged: Acknowledged): Promise<void> {
  failpoint("spool.before-acknowledged");
  await replaceFile(join(dir, FILE), Buffer.from(`${JSON.stringify(acknowledged)}\n`));
  failpoint("spool.after-acknowledged");
}

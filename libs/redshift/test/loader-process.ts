// A loader as a process of its own, for live-loaders.it.test.ts: it follows the log that lies in a
// file to its end, whatever other loaders do meanwhile. Arguments: one JSON object.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { retryOf } from "@hybridge/core";
import { CatalogMovedError, type NumberedCommit } from "@hybridge/landing";
import { openS3, s3TableStore } from "@hybridge/s3";
import { openRedshift, redshiftFollower } from "../src/index.ts";
import { followingOf } from "./written-log.ts";

export interface LoaderInput {
  readonly redshift: string;
  readonly s3: string;
  readonly table: string;
  /** A file with the log's commits, as `writeLog` writes it. */
  readonly log: string;
  /** Commits that are followed at once. */
  readonly step: number;
}

const signal = new AbortController().signal;
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const region = "us-east-1";
const input = JSON.parse(process.argv[2] ?? "") as LoaderInput;

const text = await readFile(input.log, "utf8");
const commits = JSON.parse(text, (key, value: unknown) =>
  ["from", "to", "md5Sum"].includes(key) && typeof value === "string" ? BigInt(value) : value,
) as NumberedCommit[];
await using s3 = openS3({ endpoint: input.s3, region, credentials });
await using redshift = openRedshift({
  endpoint: input.redshift,
  region,
  credentials,
  workgroup: "local",
  database: "dev",
});
const follower = redshiftFollower({
  redshift,
  store: s3TableStore(s3, { bucket: "cloud", prefix: "table" }),
  table: input.table,
  cadence: { minMs: 0, maxMs: 0 },
});

let position = (await follower.position(signal))?.number ?? 0;
while (position < commits.length) {
  const following = followingOf(commits.slice(0, position + input.step), position);
  try {
    position = (await follower.follow(following, signal)).number;
  } catch (error) {
    if (!(error instanceof CatalogMovedError)) {
      if (retryOf(error) === "never") throw error;
      await sleep(50);
    }
    position = (await follower.position(signal))?.number ?? 0;
  }
  process.stdout.write(`at ${position}\n`);
}

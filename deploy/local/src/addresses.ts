import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const addresses = z.object({
  /** Kafka, host:port. */
  source: z.string(),
  target: z.string(),
  /** http://host:port, where /webhdfs/v1 is. */
  webhdfs: z.string(),
  /** hdfs://host:port */
  hdfs: z.string(),
  /** HiveServer2, host:port. */
  hive: z.string(),
  /** http URLs. */
  s3: z.string(),
  redshift: z.string(),
});

/** Where the components of a cloud answer. */
export type CloudAddresses = Readonly<z.output<typeof addresses>>;

const fileOf = (dir: string) => join(dir, "addresses.json");

/** For other programs; the file is there as long as the cloud is up. */
export function writeAddresses(dir: string, value: CloudAddresses): void {
  writeFileSync(`${fileOf(dir)}.new`, JSON.stringify(value, undefined, 2) + "\n");
  renameSync(`${fileOf(dir)}.new`, fileOf(dir));
}

export function removeAddresses(dir: string): void {
  rmSync(fileOf(dir), { force: true });
}

/** Where the cloud in `dir` answers; undefined when it is not up. */
export function readAddresses(dir: string): CloudAddresses | undefined {
  try {
    return addresses.parse(JSON.parse(readFileSync(fileOf(dir), "utf8")));
  } catch {
    return undefined;
  }
}

import { InvariantError } from "@hybridge/core";
import type { Catalog } from "@hybridge/landing";
import type { Hive } from "./api.ts";

export interface HiveCatalogOptions {
  readonly hive: Hive;
  /** Default: hybridge. */
  readonly database?: string;
  /** Default: tweets. */
  readonly table?: string;
  /** The folder of the dt=/hr= folders: a path or URL of the file system that Hive reads. */
  readonly location: string;
}

/** Makes landed HDFS files visible as the external table of posts. */
export function hiveCatalog(options: HiveCatalogOptions): Catalog {
  throw new InvariantError(`not yet: ${options.location}`);
}

import { InvariantError } from "@hybridge/core";
import type { ExecuteOptions, Hive, HiveOptions, HiveResult } from "./api.ts";

export function openHive(options: HiveOptions): Hive {
  throw new InvariantError(`not yet: ${options.host}`);
}

/** Runs one statement; see Hive.execute. */
export async function executeHive(
  hive: Hive,
  sql: string,
  options: ExecuteOptions,
): Promise<HiveResult> {
  return await hive.execute(sql, options);
}

import { randomBytes } from "node:crypto";
import { describeError } from "@hybridge/core";
import type { FlushEncoder, TableStore } from "@hybridge/landing";
import type { Redshift } from "../api.ts";
import { CHECKS, type CheckWorld } from "./steps.ts";
import { checkLog } from "./check-log.ts";
import { dropScratch, schemaExists } from "./scratch.ts";

export interface CheckOptions {
  readonly redshift: Redshift;
  /** A folder of its own in the bucket, as the service has one. */
  readonly store: TableStore;
  /** As the service has it, its files split for COPY. */
  readonly encoder: FlushEncoder;
  readonly iamRole?: string;
  /** A schema to work in; one that is there stays. Default: a new one, which is dropped. */
  readonly schema?: string;
  readonly signal: AbortSignal;
  /** Told of each check as it ends. */
  readonly report: (result: CheckResult) => void;
}

export interface CheckResult {
  /** What was tried. */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly reason: string;
  /** What to do about it. */
  readonly remedy: string;
}

/**
 * Runs all that the loader and the gateway need of a warehouse, by their own code, on tables of its
 * own: S3, CREATE, COPY, lock, deletions, counts, time limit, cancel. A check that needs one which
 * failed is skipped. What it made in Redshift is dropped; its few small objects stay in the bucket
 * below the folder of the check.
 *
 * @returns whether all passed
 */
export async function checkRedshift(options: CheckOptions): Promise<boolean> {
  const { redshift, signal, report } = options;
  const scratch = `hybridge_check_${randomBytes(4).toString("hex")}`;
  const names = { schema: options.schema ?? scratch, table: scratch };
  const world: CheckWorld = { ...options, names, topic: scratch, log: checkLog(options, scratch) };
  const keepsSchema =
    options.schema !== undefined && (await schemaExists(redshift, names, signal).catch(() => true));
  let failed = "";
  for (const check of CHECKS) {
    const { name, remedy } = check;
    if (failed !== "") {
      report({ name, outcome: "skipped", reason: `"${failed}" failed`, remedy: "" });
      continue;
    }
    try {
      await check.run(world);
      report({ name, outcome: "passed", reason: "", remedy: "" });
    } catch (error) {
      signal.throwIfAborted();
      failed = name;
      report({ name, outcome: "failed", reason: describeError(error), remedy });
    }
  }
  const dropped = await dropScratch(redshift, names, keepsSchema);
  report(dropped);
  return failed === "" && dropped.outcome !== "failed";
}

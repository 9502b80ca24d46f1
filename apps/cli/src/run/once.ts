import { describeError, HybridgeError, systemClock } from "@hybridge/core";
import { renderTable } from "../table.ts";
import type { RunCloud, RunPlan } from "./plan.ts";
import { allAgree, type Counts, readBack } from "./read-back.ts";
import { allCaughtUp, readStages, type Stage } from "./stages.ts";
import type { RunningServices } from "./system.ts";
import type { LiveView } from "./view.ts";

/** Posts stopped moving before they were in all places. */
export class RunStalledError extends HybridgeError {
  readonly code = "RUN_STALLED";
  readonly retry = "never";
}

const POLL_MS = 500;
/** Without any progress for this long, waiting on makes no sense. Restarts of components fit in. */
const STALL_MS = 120_000;

/** Waits until all posts are in all places and returns what each place then says it holds. */
export async function untilEverywhere(
  plan: RunPlan,
  cloud: RunCloud,
  services: RunningServices,
  view: LiveView,
  signal: AbortSignal,
): Promise<Counts> {
  const progress = stallWatch();
  for (;;) {
    const stages = await readStages(services, signal);
    view.show(stages, `waiting for ${plan.posts} posts in all places`);
    if (allCaughtUp(stages)) {
      const counts = await attempt();
      const agree = counts !== undefined && allAgree(counts, plan);
      const stalled = progress.stalledFor(JSON.stringify(counts)) > STALL_MS;
      if (agree || (stalled && counts !== undefined)) return counts;
      if (stalled) throw new RunStalledError(`a place does not answer for ${STALL_MS / 1000} s`);
    } else if (progress.stalledFor(signatureOf(stages)) > STALL_MS) {
      throw new RunStalledError(stallMessage(stages));
    }
    await systemClock.sleep(POLL_MS, signal);
  }

  // A place that is just being started again is asked once more.
  async function attempt(): Promise<Counts | undefined> {
    try {
      return await readBack({ plan, cloud, ...services.clients(), signal });
    } catch (error) {
      signal.throwIfAborted();
      view.say(`not counted yet: ${describeError(error)}`);
      return undefined;
    }
  }
}

/** The places and their counts for people; the JSON line comes after it. */
export function countsTable(counts: Counts, { live }: RunPlan): string {
  const places: [string, number, string][] = [
    ["ingested", counts.ingested, "ingest, by gRPC"],
    ["source", counts.source, "source Kafka, its record batches"],
    ["target", counts.target, "target Kafka, its record batches"],
    ["hive", counts.hive, "Hive over HDFS, SELECT COUNT(*)"],
    ["s3", counts.s3, "S3, the rows of its Parquet objects"],
    ...whatIsLeft(counts, live !== undefined),
  ];
  return renderTable(["place", "posts", "counted by"], places);
}

/** Live posts are edited and deleted: what counts is what is left of them. */
function whatIsLeft(
  { redshift, distinctIds }: Counts,
  isLive: boolean,
): [string, number, string][] {
  return isLive
    ? [
        ["redshift", redshift, "Redshift, SELECT COUNT(DISTINCT id): what nobody has deleted"],
        ["distinctIds", distinctIds, "posts that nobody has deleted, Hive and Redshift"],
      ]
    : [
        ["redshift", redshift, "Redshift, SELECT COUNT(*)"],
        ["distinctIds", distinctIds, "different ids, Hive and Redshift"],
      ];
}

function stallWatch(): { stalledFor(signature: string): number } {
  let last = "";
  let since = systemClock.now();
  return {
    stalledFor(signature) {
      if (signature !== last) {
        last = signature;
        since = systemClock.now();
      }
      return systemClock.now() - since;
    },
  };
}

function signatureOf(stages: readonly Stage[]): string {
  return stages.map((stage) => `${stage.records}/${stage.lag ?? "?"}/${stage.state}`).join(" ");
}

function stallMessage(stages: readonly Stage[]): string {
  const stuck = stages.filter((stage) => stage.state !== "DONE" && stage.lag !== 0n);
  const names = stuck.map((stage) => `${stage.name} (${stage.reason || stage.state})`);
  return `nothing moved for ${STALL_MS / 1000} s; waiting at: ${names.join(", ")}`;
}

import type { LandingLog } from "./landing-log.ts";
import type { FileReference } from "./protocol.ts";

/** Sets files aside by a commit of its own. Those that are taken out already stay as they are. */
export async function quarantine(
  log: LandingLog,
  files: readonly FileReference[],
  why: "refused" | "missing" | "altered",
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const prepared = await log.prepare(
    { actions: [{ do: "quarantine", out: files, why, what }] },
    signal,
  );
  const outcome = await log.commit(prepared, signal);
  if (outcome.kind === "committed") {
    await log.publish(prepared, signal);
    return;
  }
  await log.discard(prepared, signal);
  // Somebody took some of them out: another follower, or upkeep that removed them for their age.
  if (outcome.kind === "refused" && files.length > 1) {
    for (const file of files) await quarantine(log, [file], why, what, signal);
  }
  // Swept or overslept: who follows finds the files again.
}

import { systemClock, type Emit } from "@hybridge/core";
import { commitHint, NotAuthorizedError, type ClusterOptions } from "@hybridge/kafka";
import type { LandingStatus } from "@hybridge/landing";

const INTERVAL_MS = 5_000;

/**
 * Commits landed offsets to Kafka for tools that show lag. Nothing reads them back: the ledger in
 * the store is the truth, so a failure here only makes such a tool wrong for a while. Never rejects.
 */
export async function commitHints(
  cluster: ClusterOptions,
  group: string,
  topic: string,
  status: () => LandingStatus,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  let committed = "";
  let isTold = false;
  for (;;) {
    await systemClock.sleep(INTERVAL_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const offsets = new Map<number, bigint>();
    for (const { partition, landedOffset } of status().partitions) {
      if (landedOffset > 0n) offsets.set(partition, landedOffset);
    }
    const text = [...offsets].join(" ");
    if (text === committed || offsets.size === 0) continue;
    try {
      await commitHint(cluster, group, topic, offsets);
      committed = text;
    } catch (error) {
      const message = `offsets of group ${group} were not committed; only tools that show lag care`;
      // A right that is missing stays so until somebody is told.
      const isToTell: boolean = error instanceof NotAuthorizedError && !isTold;
      const level = isToTell ? "warn" : "debug";
      isTold ||= isToTell;
      emit({ name: "warehouse.hint_failed", level, message, error });
    }
  }
}

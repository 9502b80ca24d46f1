import type { MonotonicClock } from "@hybridge/core";
import { describeTopicConfig, type Cluster } from "@hybridge/kafka/raw";
import type { PartitionMirror } from "./partition.ts";
import { settingsOf } from "./topics/target-settings.ts";

/** Settings of a source topic are believed for so long. */
const FRESH_MS = 60_000;

interface Known {
  readonly retentionMs: number;
  readonly at: number;
}

/**
 * Tells when the source's retention is about to delete what is not mirrored yet. Retention goes by the
 * records' times, as the age of what lags does; how fast a limit in bytes comes nearer, nobody says.
 */
export class RetentionWatch {
  readonly #source: Cluster;
  readonly #clock: MonotonicClock;
  readonly #topics = new Map<string, Known>();

  constructor(source: Cluster, clock: MonotonicClock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Looks at those that lag. */
  async look(partitions: Iterable<PartitionMirror>, signal: AbortSignal): Promise<void> {
    for (const partition of partitions) {
      if (partition.lag === 0n) {
        partition.noteRetention(Infinity, Infinity);
        continue;
      }
      const retentionMs = await this.#retentionOf(partition.route.sourceTopic, signal);
      partition.noteRetention(retentionMs - partition.lagMs, retentionMs);
    }
  }

  async #retentionOf(topic: string, signal: AbortSignal): Promise<number> {
    const known = this.#topics.get(topic);
    const at = this.#clock.monotonic();
    if (known && at - known.at < FRESH_MS) return known.retentionMs;
    const retentionMs = retentionIn(
      settingsOf(await describeTopicConfig(this.#source, topic, signal)),
    );
    this.#topics.set(topic, { retentionMs, at });
    return retentionMs;
  }
}

/** How long a topic keeps records, in milliseconds; Infinity for ever. */
export function retentionIn(settings: ReadonlyMap<string, string>): number {
  const isDeleting = settings.get("cleanup.policy")?.includes("delete") ?? true;
  const retentionMs = Number(settings.get("retention.ms") ?? -1);
  return isDeleting && retentionMs >= 0 ? retentionMs : Infinity;
}

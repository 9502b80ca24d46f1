/** Where one partition stands. Offsets are exclusive: everything below is done. */
export interface PartitionStatus {
  readonly partition: number;
  readonly topicId: string;
  /** waiting, reading, paused, stopped. */
  readonly state: string;
  /** Why it does not go on; empty when it does. */
  readonly reason: string;
  readonly landedOffset: bigint;
  readonly queryableOffset: bigint;
  readonly readOffset: bigint;
  readonly endOffset: bigint;
  readonly lag: bigint;
  /** Age of the oldest record that was read and is not landed. */
  readonly lagMs: bigint;
}

/** What a landing reports of the partitions that this process has. Totals count since its start. */
export interface EngineStatus {
  readonly state: "STARTING" | "RUNNING" | "DEGRADED" | "STOPPING";
  readonly reason: string;
  readonly partitions: readonly PartitionStatus[];
  readonly landed: bigint;
  readonly queryable: bigint;
  readonly files: bigint;
  readonly bytes: bigint;
  readonly deadLetters: bigint;
  /** Landed rows per second over the last few seconds. */
  readonly rate: number;
}

/** Where one partition stands. Offsets are exclusive: everything below is done. */
export interface PartitionLandingStatus {
  readonly partition: number;
  readonly landedOffset: bigint;
  readonly queryableOffset: bigint;
  readonly endOffset: bigint;
  readonly lag: bigint;
  /** Age of the oldest record that was read and is not landed. */
  readonly lagMs: bigint;
}

/**
 * What a landing service reports. Without `topic` and `side`, this has the fields of
 * hybridge.warehouse.v1.GetStatusResponse, so that a service spreads it into its answer.
 */
export interface LandingStatus {
  readonly state: "STARTING" | "RUNNING" | "DEGRADED" | "STOPPING";
  readonly reason: string;
  readonly partitions: PartitionLandingStatus[];
  readonly landed: bigint;
  readonly queryable: bigint;
  readonly files: bigint;
  readonly bytes: bigint;
  readonly deadLetters: bigint;
  /** Landed rows per second over the last few seconds. */
  readonly rate: number;
}

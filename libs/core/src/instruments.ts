/** What a number says: the text of its HELP line, and the names of its labels. */
export interface Instrument {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

const counter = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({ kind: "counter", help, labels }) as const;
const gauge = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({ kind: "gauge", help, labels }) as const;
/** Of seconds. */
const histogram = <const L extends readonly string[]>(help: string, ...labels: L) =>
  ({ kind: "histogram", help, labels }) as const;

/**
 * Every number that leaves a service, in one table: what is measured, served and documented
 * (docs/metrics.md) cannot differ. Names as Prometheus has them: snake case, base units, `_total`
 * for what only grows.
 *
 * @see https://prometheus.io/docs/practices/naming/
 */
export const instruments = {
  hybridge_feed_disconnects_total: counter("connections of a live feed that ended", "feed"),
  hybridge_feed_gap_seconds_total: counter(
    "time of a live feed that its source cannot bring again",
    "feed",
  ),
  hybridge_feed_lag_seconds: gauge(
    "how far the last post was behind the time at which its source made it",
    "feed",
  ),
  hybridge_feed_reads_left: gauge("posts that may still be read this month", "feed"),
  hybridge_feed_streaming: gauge("1 while the feed reads, 0 otherwise", "feed"),
  hybridge_hive_cancel_failed_total: counter("statements that Hive did not cancel when asked"),
  hybridge_hive_cancelled_total: counter("statements cancelled in Hive"),
  hybridge_ingest_dead_letters_total: counter("inputs that are no posts, put aside", "code"),
  hybridge_ingest_dropped_total: counter("items lost because the spool was full", "feed"),
  hybridge_ingest_in_flight_records: gauge("records on their way to the broker"),
  hybridge_ingest_posts_total: counter("records that the broker acknowledged"),
  hybridge_ingest_read: gauge("what became of all that was read of a source", "outcome"),
  hybridge_landing_bytes_total: counter("bytes of landed files"),
  hybridge_landing_dead_letters_total: counter("records that are no posts, put aside"),
  hybridge_landing_files_total: counter("landed files"),
  hybridge_landing_flushes_total: counter("commits of this process"),
  hybridge_landing_gap_offsets_total: counter("offsets that can never be landed", "why"),
  hybridge_landing_lag_records: gauge(
    "records in the topic that are not landed",
    "topic",
    "partition",
  ),
  hybridge_landing_lag_seconds: gauge(
    "age of the oldest record that was read and is not landed",
    "topic",
    "partition",
  ),
  hybridge_landing_partitions: gauge("partitions that this process has", "topic", "state"),
  hybridge_landing_rows_total: counter("landed rows"),
  hybridge_landing_unqueryable_records: gauge(
    "landed records that no query shows yet",
    "topic",
    "partition",
  ),
  hybridge_mirror_bytes_total: counter("bytes of mirrored batches"),
  hybridge_mirror_dead_letters_total: counter(
    "records that the target refuses, put aside",
    "topic",
    "partition",
  ),
  hybridge_mirror_fences_total: counter(
    "partitions that another mirror took over",
    "topic",
    "partition",
  ),
  hybridge_mirror_foreign_writers_total: counter(
    "times that somebody else wrote into a target",
    "topic",
    "partition",
  ),
  hybridge_mirror_lag_records: gauge(
    "records in the source that are not in the target",
    "topic",
    "partition",
  ),
  hybridge_mirror_lag_seconds: gauge(
    "time since the partition was last caught up",
    "topic",
    "partition",
  ),
  hybridge_mirror_partition_failures_total: counter(
    "partitions that stopped until a person acts",
    "topic",
    "partition",
  ),
  hybridge_mirror_partition_interruptions_total: counter(
    "take-overs that ended and began anew",
    "topic",
    "partition",
  ),
  hybridge_mirror_partition_pauses_total: counter("pauses by an operator", "topic", "partition"),
  hybridge_mirror_partition_resumes_total: counter("ends of pauses", "topic", "partition"),
  hybridge_mirror_partition_starts_total: counter("take-overs", "topic", "partition"),
  hybridge_mirror_partitions: gauge("partitions by what they are doing", "topic", "state"),
  hybridge_mirror_records_total: counter("mirrored records"),
  hybridge_mirror_source_divergences_total: counter(
    "times that the source lost what had been mirrored",
    "topic",
    "partition",
  ),
  hybridge_mirror_source_offsets_lost_total: counter(
    "offsets that the source deleted before they were mirrored",
    "topic",
    "partition",
  ),
  hybridge_mirror_source_retention_near_total: counter(
    "warnings that the source is about to delete what is not mirrored",
    "topic",
    "partition",
  ),
  hybridge_mirror_source_topics_deleted_total: counter("deleted source topics", "topic"),
  hybridge_mirror_source_transactions_open_total: counter(
    "transactions found that hold a partition back",
    "topic",
    "partition",
  ),
  hybridge_mirror_target_deletions_total: counter("deleted target topics", "topic", "partition"),
  hybridge_mirror_target_divergences_total: counter(
    "times that the target held what the source does not",
    "topic",
    "partition",
  ),
  hybridge_mirror_target_records_lost_total: counter(
    "records that the target lost after it had acknowledged them",
    "topic",
    "partition",
  ),
  hybridge_mirror_target_settings_total: counter(
    "settings of target topics that change records",
    "topic",
    "setting",
  ),
  hybridge_mirror_topics_recreated_total: counter("recreated source topics", "topic", "partition"),
  hybridge_mirror_topics_refused_total: counter("topics that cannot be mirrored", "topic"),
  hybridge_queries_total: counter("queries of callers", "engine", "outcome"),
  hybridge_query_seconds: histogram("time of a query in seconds", "engine", "outcome"),
  hybridge_redshift_statement_seconds: histogram(
    "time that Redshift says a statement took, in seconds",
    "kind",
  ),
  hybridge_rpc_calls_total: counter("gRPC calls", "method", "code"),
  hybridge_rpc_seconds: histogram("time of a gRPC call in seconds", "method", "code"),
  hybridge_service_degraded: gauge("1 while the service says that it is degraded, 0 otherwise"),
  hybridge_spool_bytes: gauge("bytes of the spool's segments"),
  hybridge_spool_bytes_max: gauge("bytes that the spool may take"),
  hybridge_spool_records: gauge("records in the spool that Kafka has not acknowledged"),
} satisfies Readonly<Record<`hybridge_${string}`, Instrument>>;

export type InstrumentName = keyof typeof instruments;
type InstrumentOf<K extends Instrument["kind"]> = {
  [N in InstrumentName]: (typeof instruments)[N]["kind"] extends K ? N : never;
}[InstrumentName];

/** A number that an event moves: a counter grows by it, a gauge becomes it, a histogram counts it. */
export type Measurement = {
  [K in Instrument["kind"]]: {
    readonly kind: K;
    readonly name: InstrumentOf<K>;
    readonly value: number;
    readonly labels?: Readonly<Record<string, string>>;
  };
}[Instrument["kind"]];
export type CounterName = InstrumentOf<"counter">;

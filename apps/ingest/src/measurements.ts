import type { Measurement } from "@hybridge/core";
import type { FeedSupervisor, StatusBoard } from "@hybridge/ingest";

/** How full the spool is, and where the feeds stand, as numbers. */
export function measureIngest(status: StatusBoard, feeds: FeedSupervisor): Measurement[] {
  const { state, spooled, spoolBytes, spoolBytesMax, inFlight } = status.read();
  const all: Measurement[] = [
    { kind: "gauge", name: "hybridge_service_degraded", value: Number(state === "DEGRADED") },
    { kind: "gauge", name: "hybridge_spool_records", value: spooled },
    { kind: "gauge", name: "hybridge_spool_bytes", value: spoolBytes },
    { kind: "gauge", name: "hybridge_spool_bytes_max", value: spoolBytesMax },
    { kind: "gauge", name: "hybridge_ingest_in_flight_records", value: inFlight },
  ];
  for (const { name: feed, state: now, lagMs, readsLeft } of feeds.feeds()) {
    const labels = { feed };
    all.push({
      kind: "gauge",
      name: "hybridge_feed_streaming",
      value: Number(now === "STREAMING"),
      labels,
    });
    if (lagMs !== undefined) {
      all.push({ kind: "gauge", name: "hybridge_feed_lag_seconds", value: lagMs / 1_000, labels });
    }
    if (readsLeft !== undefined) {
      all.push({ kind: "gauge", name: "hybridge_feed_reads_left", value: readsLeft, labels });
    }
  }
  return all;
}

import type { Measurement } from "@hybridge/core";
import type { Mirror } from "@hybridge/mirror";
import { statusOf } from "./rpc/mirror-control-service.ts";

/** Where the mirror and its partitions stand, as numbers. */
export function measureMirror(mirror: Mirror): Measurement[] {
  const { state, records, bytes, partitions } = statusOf(mirror);
  const all: Measurement[] = [
    { kind: "gauge", name: "hybridge_service_degraded", value: Number(state === "DEGRADED") },
    { kind: "counter", name: "hybridge_mirror_records_total", value: Number(records) },
    { kind: "counter", name: "hybridge_mirror_bytes_total", value: Number(bytes) },
  ];
  const states = new Map<string, { labels: { topic: string; state: string }; count: number }>();
  for (const { sourceTopic: topic, partition, lag, lagMs, state: now } of partitions) {
    const labels = { topic, partition: String(partition) };
    const seconds = Number(lagMs) / 1_000;
    all.push(
      { kind: "gauge", name: "hybridge_mirror_lag_records", value: Number(lag), labels },
      { kind: "gauge", name: "hybridge_mirror_lag_seconds", value: seconds, labels },
    );
    const key = JSON.stringify([topic, now]);
    const { count } = states.get(key) ?? { count: 0 };
    states.set(key, { labels: { topic, state: now }, count: count + 1 });
  }
  for (const { labels, count } of states.values()) {
    all.push({ kind: "gauge", name: "hybridge_mirror_partitions", value: count, labels });
  }
  return all;
}

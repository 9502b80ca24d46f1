import type { Measurement } from "@hybridge/core";
import { statusOf, type View } from "./warehouse-service.ts";

/** Where the partitions of this process stand, as numbers. */
export async function measureWarehouse(topic: string, view: View): Promise<Measurement[]> {
  const now = view();
  const { state } = await statusOf(now);
  const partitions = "state" in now ? [] : now.engine.status().partitions;
  const states = new Map<string, number>();
  const all: Measurement[] = [
    { kind: "gauge", name: "hybridge_service_degraded", value: Number(state === "DEGRADED") },
  ];
  for (const each of partitions) {
    const labels = { topic, partition: String(each.partition) };
    const unqueryable = Number(each.landedOffset - each.queryableOffset);
    all.push(
      { kind: "gauge", name: "hybridge_landing_lag_records", value: Number(each.lag), labels },
      {
        kind: "gauge",
        name: "hybridge_landing_lag_seconds",
        value: Number(each.lagMs) / 1_000,
        labels,
      },
      { kind: "gauge", name: "hybridge_landing_unqueryable_records", value: unqueryable, labels },
    );
    states.set(each.state, (states.get(each.state) ?? 0) + 1);
  }
  for (const [name, value] of states) {
    const labels = { topic, state: name };
    all.push({ kind: "gauge", name: "hybridge_landing_partitions", value, labels });
  }
  return all;
}

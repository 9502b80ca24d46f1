import type { Emit } from "@hybridge/core";
import { openReader, type ClusterOptions } from "@hybridge/kafka";
import {
  segmentLimits,
  startLanding,
  type Catalog,
  type LandingStatus,
  type LandingStore,
  type SegmentEncoder,
} from "@hybridge/landing";
import { startRpcServer } from "@hybridge/rpc";
import { commitHints } from "./commit-hints.ts";
import type { WarehouseConfig } from "./settings.ts";
import { traceSegment } from "./traces.ts";
import { waitForTopic } from "./wait-for-topic.ts";
import { warehouseService } from "./warehouse-service.ts";

export interface WarehouseOptions {
  readonly side: "internal" | "external";
  readonly config: WarehouseConfig;
  /** The cluster that this side reads. */
  readonly cluster: ClusterOptions;
  readonly registerIntervalMs: number;
  readonly store: LandingStore;
  readonly catalog: Catalog;
  readonly encoder: SegmentEncoder;
  readonly emit: Emit;
}

/**
 * Runs a warehouse service until the signal is aborted: serves its status from the start, waits for
 * the topic, and lands it. Whatever is away is waited for; what will never work is thrown.
 */
export async function runWarehouse(options: WarehouseOptions, signal: AbortSignal): Promise<void> {
  const { side, config, cluster, emit } = options;
  const topic = config.HYBRIDGE_TOPIC;
  const name = `hybridge-warehouse-${side}`;
  let status = () => waiting("STARTING", "");
  const service = warehouseService(side, topic, () => status());
  await using server = await startRpcServer({ config, services: [service], emit });
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `warehouse-${side} serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
  const partitions = await waitForTopic(cluster, topic, signal, emit, (reason) => {
    status = () => waiting("DEGRADED", reason);
  });
  const landing = startLanding({
    ...options,
    topic,
    partitions,
    signal,
    limits: segmentLimits(config, options.registerIntervalMs),
    observe: traceSegment,
    open: (positions, until) => openReader({ cluster, topic, positions, signal: until }),
  });
  status = landing.status;
  const hints = new AbortController();
  const until = AbortSignal.any([signal, hints.signal]);
  void commitHints(cluster, name, topic, landing.status, emit, until);
  try {
    await landing.done;
  } finally {
    hints.abort();
  }
}

function waiting(state: LandingStatus["state"], reason: string): LandingStatus {
  const none = { landed: 0n, queryable: 0n, files: 0n, bytes: 0n, deadLetters: 0n, rate: 0 };
  return { state, reason, partitions: [], ...none };
}

import { startRpcServer } from "@hybridge/rpc";
import { measureWarehouse } from "./measurements.ts";
import { controlService } from "./control-service.ts";
import { waitForTopic } from "./wait-for-topic.ts";
import { runLanding, type Warehouse, type WarehouseOptions } from "./warehouse.ts";
import { warehouseService, type Waiting } from "./warehouse-service.ts";

/**
 * Runs a warehouse service until the signal is aborted: serves its status from the start, waits for
 * the topic, and lands it. Whatever is away is waited for; what will never work is thrown.
 */
export async function runWarehouse(options: WarehouseOptions, signal: AbortSignal): Promise<void> {
  const { side, config, cluster, emit } = options;
  const topic = config.HYBRIDGE_TOPIC;
  let now: Warehouse | Waiting = { state: "STARTING", reason: "" };
  const view = () => now;
  options.observe(() => measureWarehouse(topic, view));
  const services = [warehouseService(side, topic, view), controlService(view)];
  await using server = await startRpcServer({ config, services, emit });
  server.setServing(true);
  emit({
    name: "service.listening",
    level: "info",
    message: `warehouse-${side} serves gRPC on ${server.address}`,
    fields: { address: server.address },
  });
  const degraded = (reason: string) => {
    now = { state: "DEGRADED", reason };
  };
  const identity = await waitForTopic(cluster, topic, signal, emit, degraded);
  const started = (warehouse: Warehouse) => {
    now = warehouse;
  };
  await runLanding(options, identity, started, degraded, signal);
}

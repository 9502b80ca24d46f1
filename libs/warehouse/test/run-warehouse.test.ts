import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { readConfig } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { memoryFollowingCatalog, memoryLanding, textFlushEncoder } from "@hybridge/landing/testing";
import { WarehouseServiceClient } from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { callUnary, createClient } from "@hybridge/rpc";
import type { Observer } from "@hybridge/tracing";
import { runWarehouse, warehouseSettings } from "../src/index.ts";

test("without brokers it serves its status and stops when told", async () => {
  const { emit, events } = collectEvents();
  const disk = memoryLanding();
  const stop = new AbortController();
  let measure: Observer = () => [];
  const running = runWarehouse(
    {
      side: "internal",
      config: readConfig(warehouseSettings, {}),
      cluster: { bootstrap: "127.0.0.1:1", clientId: "test" },
      followIntervalMs: 1_000,
      store: disk.open(),
      catalog: memoryFollowingCatalog(),
      encoder: textFlushEncoder(),
      former: { parent: disk.open(), visibleEnd: () => Promise.resolve(undefined) },
      emit,
      observe: (read) => (measure = read),
    },
    stop.signal,
  );
  const address = () =>
    events.find((event) => event.name === "service.listening")?.fields?.["address"];
  while (address() === undefined) await delay(5);
  const client = createClient(WarehouseServiceClient, String(address()));
  const method = client.getStatus.bind(client);
  const status = await callUnary(method, {}, { deadlineMs: 20_000 });
  client.close();
  assert.deepEqual([status.side, status.topic, status.landed], ["internal", "hybrid", 0n]);
  assert.ok(["STARTING", "DEGRADED"].includes(status.state), status.state);
  const degraded = { kind: "gauge", name: "hybridge_service_degraded" };
  assert.deepEqual(await measure(), [{ ...degraded, value: Number(status.state === "DEGRADED") }]);
  stop.abort();
  await assert.rejects(running, { name: "AbortError" });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, ServerCredentials, type handleUnaryCall } from "@grpc/grpc-js";
import { readConfig } from "@hybridge/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { createMeters } from "../src/meters.ts";
import { startTelemetry, tracingSettings } from "../src/index.ts";
import { metricProducer } from "../src/otlp-metrics.ts";

test("the same numbers leave as OTLP", async () => {
  const meters = createMeters(false);
  const labels = { engine: "HIVE", outcome: "finished" };
  for (const value of [0.2, 0.3, 100]) {
    meters.record({ kind: "histogram", name: "hybridge_query_seconds", value, labels });
    meters.record({ kind: "counter", name: "hybridge_queries_total", value: 1, labels });
  }
  meters.record({ kind: "gauge", name: "hybridge_service_degraded", value: 1 });
  const { resourceMetrics } = await metricProducer(meters, resourceFromAttributes({})).collect();
  const [scope] = resourceMetrics.scopeMetrics;
  const found = new Map(
    scope?.metrics.map(({ descriptor, dataPoints }) => [
      descriptor.name,
      { descriptor, dataPoints },
    ]),
  );
  const seconds = found.get("hybridge_query_seconds");
  assert.equal(seconds?.descriptor.unit, "s");
  assert.equal(seconds.dataPoints.length, 1);
  assert.deepEqual(seconds.dataPoints[0]?.attributes, labels);
  assert.deepEqual(seconds.dataPoints[0].value, {
    buckets: {
      boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      counts: [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1],
    },
    sum: 100.5,
    count: 3,
  });
  assert.equal(found.get("hybridge_queries_total")?.dataPoints[0]?.value, 3);
  assert.equal(found.get("hybridge_service_degraded")?.dataPoints[0]?.value, 1);
});

test("a collector is sent them, at the latest when the process stops", async () => {
  const received: Buffer[] = [];
  const server = new Server();
  const bytes = (value: Buffer) => value;
  const path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
  const definition = {
    ...{ path, requestStream: false, responseStream: false },
    ...{ requestSerialize: bytes, requestDeserialize: bytes },
    ...{ responseSerialize: bytes, responseDeserialize: bytes },
  };
  const handler: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    received.push(call.request);
    callback(null, Buffer.alloc(0));
  };
  server.addService({ export: definition }, { export: handler });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  const config = readConfig(tracingSettings, {
    HYBRIDGE_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  });
  const silent = { write: () => undefined };
  await using telemetry = await startTelemetry("metrics-test", config, silent);
  const measurements = [
    { kind: "counter", name: "hybridge_ingest_posts_total", value: 7 },
  ] as const;
  telemetry.emit({ name: "posts", level: "debug", message: "posts", measurements });
  await telemetry[Symbol.asyncDispose]();
  const sent = Buffer.concat(received).toString("latin1");
  assert.match(sent, /hybridge_ingest_posts_total/);
  assert.match(sent, /metrics-test/);
  server.forceShutdown();
});

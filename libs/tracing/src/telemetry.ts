import type { Emit } from "@hybridge/core";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import type { DestinationStream } from "pino";
import { createLogger } from "./logger.ts";
import { createMeters, type Meters, type Observer } from "./meters.ts";
import { serveMetrics } from "./metrics-server.ts";
import { metricProducer } from "./otlp-metrics.ts";
import { wasPreloaded } from "./preloaded.ts";
import { setRecordRatio } from "./record-trace.ts";
import { createSampler } from "./sampler.ts";
import type { TracingConfig } from "./settings.ts";
import { spanFileExporter } from "./span-file.ts";

/** Disposing it sends the spans and numbers that are still waiting. */
export interface Telemetry extends AsyncDisposable {
  /** Writes the log line of an event and moves its metrics. */
  readonly emit: Emit;
  /** Numbers that no event tells, such as lags, read whenever somebody looks. */
  readonly observe: (observer: Observer) => void;
}

/** How long finished spans wait for company before they are written. */
const SPAN_DELAY_MS = 250;

/** Between two exports of metrics to a collector. */
const METRICS_INTERVAL_MS = 15_000;

/** How long a stopping process waits for a collector that does not answer. */
const FLUSH_MS_MAX = 1_000;

/**
 * Starts logs, metrics and traces of a process; once, first thing in main.
 *
 * @throws ConfigError when the trace file cannot be opened, or the metrics' port is not to be had
 */
export async function startTelemetry(
  service: string,
  config: TracingConfig,
  destination?: DestinationStream,
): Promise<Telemetry> {
  const logger = createLogger(service, config.HYBRIDGE_LOG_LEVEL, destination);
  const meters = createMeters(true);
  const emit: Emit = (event) => {
    for (const measurement of event.measurements ?? []) meters.record(measurement);
    if (!logger.isLevelEnabled(event.level)) return;
    const error = event.error === undefined ? {} : { error: event.error };
    logger[event.level]({ event: event.name, ...event.fields, ...error }, event.message);
  };
  const resource = resourceFromAttributes({
    "service.name": service,
    "process.pid": process.pid,
  });
  const provider = startTracing(resource, service, config);
  const exporter = startMetricExport(resource, meters, config.HYBRIDGE_OTLP_ENDPOINT);
  setRecordRatio(config.HYBRIDGE_TRACE_RATIO);
  if (!wasPreloaded()) {
    emit({
      name: "tracing.not_preloaded",
      level: "warn",
      message:
        "gRPC calls of this process make no spans: start it with --import @hybridge/tracing/preload",
    });
  }
  const { HYBRIDGE_METRICS_HOST: host, HYBRIDGE_METRICS_PORT: port } = config;
  const server = port === undefined ? undefined : await serveMetrics(meters, { host, port });
  if (server) {
    const message = `${service} serves metrics on ${server.url}`;
    emit({ name: "metrics.listening", level: "info", message, fields: { url: server.url } });
  }
  return {
    emit,
    observe: (observer) => meters.observe(observer),
    async [Symbol.asyncDispose]() {
      await server?.[Symbol.asyncDispose]();
      const waited = new Promise<void>((resolve) => {
        setTimeout(resolve, FLUSH_MS_MAX).unref();
      });
      // A collector that is away must neither fail nor delay the stop of a service.
      const sent = [provider.shutdown(), ...(exporter ? [exporter.shutdown()] : [])];
      await Promise.race([Promise.allSettled(sent), waited]);
    },
  };
}

function startMetricExport(
  resource: Resource,
  meters: Meters,
  endpoint: string | undefined,
): MeterProvider | undefined {
  if (endpoint === undefined) return undefined;
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: endpoint }),
    exportIntervalMillis: METRICS_INTERVAL_MS,
    metricProducers: [metricProducer(meters, resource)],
  });
  return new MeterProvider({ resource, readers: [reader] });
}

function startTracing(
  resource: Resource,
  service: string,
  config: TracingConfig,
): NodeTracerProvider {
  const endpoint = config.HYBRIDGE_OTLP_ENDPOINT;
  const file = config.HYBRIDGE_TRACE_FILE;
  const exporters = [
    ...(endpoint === undefined ? [] : [new OTLPTraceExporter({ url: endpoint })]),
    ...(file === undefined ? [] : [spanFileExporter(file, service)]),
  ];
  const provider = new NodeTracerProvider({
    resource,
    sampler: createSampler(config.HYBRIDGE_TRACE_RATIO),
    spanProcessors: exporters.map(
      (exporter) => new BatchSpanProcessor(exporter, { scheduledDelayMillis: SPAN_DELAY_MS }),
    ),
  });
  provider.register({ propagator: new W3CTraceContextPropagator() });
  return provider;
}

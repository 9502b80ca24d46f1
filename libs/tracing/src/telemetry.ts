import type { Emit } from "@hybridge/core";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import type { DestinationStream } from "pino";
import { createLogger } from "./logger.ts";
import { createMetricStore, type MetricSample } from "./metrics.ts";
import { wasPreloaded } from "./preloaded.ts";
import { setRecordRatio } from "./record-trace.ts";
import { createSampler } from "./sampler.ts";
import type { TracingConfig } from "./settings.ts";
import { spanFileExporter } from "./span-file.ts";

/** Disposing it sends the spans that are still waiting. */
export interface Telemetry extends AsyncDisposable {
  /** Writes the log line of an event and moves its metrics. */
  readonly emit: Emit;
  /** The metrics of this process as they stand. */
  metrics(): readonly MetricSample[];
}

/** How long finished spans wait for company before they are written. */
const SPAN_DELAY_MS = 250;

/** How long a stopping process waits for a collector that does not answer. */
const FLUSH_MS_MAX = 1_000;

/**
 * Starts logs, metrics and traces of a process; once, first thing in main.
 *
 * @throws ConfigError when the trace file cannot be opened
 */
export function startTelemetry(
  service: string,
  config: TracingConfig,
  destination?: DestinationStream,
): Telemetry {
  const logger = createLogger(service, config.HYBRIDGE_LOG_LEVEL, destination);
  const metrics = createMetricStore();
  const emit: Emit = (event) => {
    for (const measurement of event.measurements ?? []) metrics.record(measurement);
    if (!logger.isLevelEnabled(event.level)) return;
    const error = event.error === undefined ? {} : { error: event.error };
    logger[event.level]({ event: event.name, ...event.fields, ...error }, event.message);
  };
  const provider = startTracing(service, config);
  setRecordRatio(config.HYBRIDGE_TRACE_RATIO);
  if (!wasPreloaded()) {
    emit({
      name: "tracing.not_preloaded",
      level: "warn",
      message:
        "gRPC calls of this process make no spans: start it with --import @hybridge/tracing/preload",
    });
  }
  return {
    emit,
    metrics: () => metrics.snapshot(),
    async [Symbol.asyncDispose]() {
      const waited = new Promise<void>((resolve) => {
        setTimeout(resolve, FLUSH_MS_MAX).unref();
      });
      // A collector that is away must neither fail nor delay the stop of a service.
      await Promise.race([provider.shutdown().catch(() => undefined), waited]);
    },
  };
}

function startTracing(service: string, config: TracingConfig): NodeTracerProvider {
  const endpoint = config.HYBRIDGE_OTLP_ENDPOINT;
  const file = config.HYBRIDGE_TRACE_FILE;
  const exporters = [
    ...(endpoint === undefined ? [] : [new OTLPTraceExporter({ url: endpoint })]),
    ...(file === undefined ? [] : [spanFileExporter(file, service)]),
  ];
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": service, "process.pid": process.pid }),
    sampler: createSampler(config.HYBRIDGE_TRACE_RATIO),
    spanProcessors: exporters.map(
      (exporter) => new BatchSpanProcessor(exporter, { scheduledDelayMillis: SPAN_DELAY_MS }),
    ),
  });
  provider.register({ propagator: new W3CTraceContextPropagator() });
  return provider;
}

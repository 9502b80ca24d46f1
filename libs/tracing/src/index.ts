export type { Observer } from "./meters.ts";
export {
  recordSpan,
  sampledTraces,
  startRecordTrace,
  traceparentOf,
  type RecordTrace,
} from "./record-trace.ts";
export { tracingSettings, type TracingConfig } from "./settings.ts";
export { currentTraceparent, withSpan, type SpanPlace } from "./span.ts";
export type { SpanLine } from "./span-file.ts";
export { startTelemetry, type Telemetry } from "./telemetry.ts";

import { trace, type Tracer } from "@opentelemetry/api";

/** The tracer of our own spans; it records once startTelemetry() has run. */
export function tracer(): Tracer {
  return trace.getTracer("hybridge");
}

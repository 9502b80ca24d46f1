import { randomFillSync } from "node:crypto";
import {
  ROOT_CONTEXT,
  SpanKind,
  trace,
  TraceFlags,
  type Attributes,
  type SpanContext,
} from "@opentelemetry/api";
import { forceSampling } from "./sampler.ts";
import { tracer } from "./tracer.ts";

/** Header of a Kafka record, as in W3C Trace Context: `00-<32 hex>-<16 hex>-<2 hex>`. */
const TRACEPARENT = "traceparent";
const FORM = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const LENGTH = 55;

/** Random bytes are drawn in bulk: one call of the system's generator for 170 records. */
const POOL_BYTES = 4_080;
const TRACE_BYTES = 24;
const pool = Buffer.allocUnsafe(POOL_BYTES);
let poolPosition = POOL_BYTES;
let recordRatio = 0;

/** Set by startTelemetry; zero before, so that a program without telemetry records nothing. */
export function setRecordRatio(ratio: number): void {
  recordRatio = ratio;
}

export interface RecordTrace {
  /** For the header of the record. */
  readonly traceparent: string;
  /** Ends the root span; call it when Kafka has acknowledged the record. */
  end(attributes?: Attributes): void;
}

const noEnd = () => undefined;

/**
 * Begins the trace of one record. The chosen share (HYBRIDGE_TRACE_RATIO) gets a root span; the
 * others get ids only, at less than a microsecond each, and so can still be found in logs.
 */
export function startRecordTrace(name: string, attributes: Attributes = {}): RecordTrace {
  if (recordRatio === 0 || Math.random() >= recordRatio) {
    return { traceparent: unsampledTraceparent(), end: noEnd };
  }
  const context = forceSampling(ROOT_CONTEXT);
  const span = tracer().startSpan(
    name,
    { kind: SpanKind.PRODUCER, attributes, root: true },
    context,
  );
  return {
    traceparent: formatTraceparent(span.spanContext()),
    end(more) {
      if (more) span.setAttributes(more);
      span.end();
    },
  };
}

/** The trace that a record belongs to, by its headers; undefined when it has none or a damaged one. */
export function traceparentOf(
  headers: readonly (readonly [name: string, value: Buffer | null])[],
): SpanContext | undefined {
  for (const [name, value] of headers) {
    if (name === TRACEPARENT && value?.length === LENGTH) return parse(value.toString("latin1"));
  }
  return undefined;
}

/**
 * The traces of those records that are sampled, at most `most`: links for a span that handles many
 * records. Looks at one byte of an unsampled record's header.
 */
export function sampledTraces(
  records: Iterable<{ readonly headers: readonly (readonly [string, Buffer | null])[] }>,
  most = 8,
): SpanContext[] {
  const found: SpanContext[] = [];
  for (const { headers } of records) {
    if (found.length >= most) break;
    const value = headers.find(([name]) => name === TRACEPARENT)?.[1];
    // The flags' last digit is odd when the trace is sampled.
    if (value?.length !== LENGTH || ((value[LENGTH - 1] ?? 0) & 1) === 0) continue;
    const context = parse(value.toString("latin1"));
    if (context && (context.traceFlags & TraceFlags.SAMPLED) !== 0) found.push(context);
  }
  return found;
}

/**
 * Adds a finished span to the trace of a record: what a service did with it, from `startMs` to
 * `endMs` (since 1970). Does nothing for traces that are not sampled.
 */
export function recordSpan(
  name: string,
  parent: SpanContext,
  span: { readonly startMs: number; readonly endMs: number; readonly attributes?: Attributes },
): void {
  if ((parent.traceFlags & TraceFlags.SAMPLED) === 0) return;
  const context = trace.setSpanContext(ROOT_CONTEXT, parent);
  const { startMs, endMs, attributes = {} } = span;
  // As dates: OpenTelemetry takes small numbers for milliseconds since the process began.
  const options = { kind: SpanKind.CONSUMER, attributes, startTime: new Date(startMs) };
  tracer().startSpan(name, options, context).end(new Date(endMs));
}

/** The text form of a span's identity. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
}

function parse(text: string): SpanContext | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, traceId = "", spanId = "", flags = "00"] = match;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true };
}

function unsampledTraceparent(): string {
  if (poolPosition + TRACE_BYTES > POOL_BYTES) {
    randomFillSync(pool);
    poolPosition = 0;
  }
  const hex = pool.toString("hex", poolPosition, poolPosition + TRACE_BYTES);
  poolPosition += TRACE_BYTES;
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`;
}

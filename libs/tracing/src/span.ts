import { describeError } from "@hybridge/core";
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type SpanContext,
} from "@opentelemetry/api";
import { formatTraceparent } from "./record-trace.ts";
import { tracer } from "./tracer.ts";

export interface SpanPlace {
  /** Default: the active span. */
  readonly parent?: SpanContext;
  /** Other traces that have to do with this span, for example those of a batch's records. */
  readonly links?: readonly SpanContext[];
  /** `client` for a request to another process; default `internal`. */
  readonly kind?: "internal" | "client" | "producer" | "consumer";
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/**
 * Runs a function within a span, which is active for everything that it awaits. An error marks the
 * span and is thrown on.
 */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  body: (span: Span) => Promise<T>,
  place: SpanPlace = {},
): Promise<T> {
  const { parent, links = [], kind = "internal" } = place;
  const from = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : context.active();
  const options = {
    kind: KINDS[kind],
    attributes,
    links: links.map((link) => ({ context: link })),
  };
  const span = tracer().startSpan(name, options, from);
  try {
    return await context.with(trace.setSpan(from, span), () => body(span));
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: describeError(error) });
    throw error;
  } finally {
    span.end();
  }
}

/** The traceparent of the active span, for a comment in SQL or a header; undefined outside of one. */
export function currentTraceparent(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active && isSpanContextValid(active) ? formatTraceparent(active) : undefined;
}

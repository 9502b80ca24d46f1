import { closeSync, openSync, writeSync } from "node:fs";
import { ConfigError } from "@hybridge/core";
import { SpanKind, SpanStatusCode, type HrTime } from "@opentelemetry/api";
import { ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-node";

/** One line of HYBRIDGE_TRACE_FILE. Times are nanoseconds since 1970, as text. */
export interface SpanLine {
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startNs: string;
  readonly endNs: string;
  readonly status: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

/** Appends finished spans to a file that several processes may share: every write is whole lines. */
export function spanFileExporter(path: string, service: string): SpanExporter {
  let file: number;
  try {
    file = openSync(path, "a");
  } catch (error) {
    throw new ConfigError(`HYBRIDGE_TRACE_FILE: ${path} cannot be opened for appending`, {
      cause: error,
    });
  }
  return {
    export(spans, done) {
      try {
        writeSync(file, spans.map((span) => `${JSON.stringify(lineOf(span, service))}\n`).join(""));
        done({ code: ExportResultCode.SUCCESS });
      } catch (error) {
        done({ code: ExportResultCode.FAILED, error: error as Error });
      }
    },
    shutdown() {
      closeSync(file);
      return Promise.resolve();
    },
  };
}

function lineOf(span: ReadableSpan, service: string): SpanLine {
  const context = span.spanContext();
  return {
    service,
    name: span.name,
    kind: SpanKind[span.kind],
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    startNs: nanoseconds(span.startTime),
    endNs: nanoseconds(span.endTime),
    status: SpanStatusCode[span.status.code],
    attributes: span.attributes,
    links: span.links.map(({ context: { traceId, spanId } }) => ({ traceId, spanId })),
  };
}

function nanoseconds([seconds, rest]: HrTime): string {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));
}

import { describeError, HybridgeError } from "@hybridge/core";
import { isSpanContextValid, trace } from "@opentelemetry/api";
import pino, { type DestinationStream, type Logger } from "pino";

/** Field names whose values never reach a log, at the top of the fields or one level down. */
const SECRETS = ["authorization", "password", "secret", "secretAccessKey", "token", "accessKey"];

/**
 * JSON lines on stderr, written at once from this thread: a line that waits in a worker is lost
 * with the process that it would explain. Lines within a span carry its ids.
 */
export function createLogger(
  service: string,
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRETS.flatMap((name) => [name, `*.${name}`, `fields.*.${name}`]),
        censor: "[redacted]",
      },
      serializers: { error: errorFields },
      mixin: traceFields,
    },
    destination,
  );
}

function traceFields(): object {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}

function errorFields(error: unknown): object {
  const code = error instanceof HybridgeError ? { code: error.code, retry: error.retry } : {};
  const stack =
    error instanceof Error && !(error instanceof HybridgeError) ? error.stack : undefined;
  return { ...code, message: describeError(error), ...(stack === undefined ? {} : { stack }) };
}

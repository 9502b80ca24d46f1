import type { EngineOptions, FlushRecord } from "@hybridge/landing";
import { recordSpan, sampledTraces, withSpan } from "@hybridge/tracing";

/** Posts of one flush whose own traces get a span; a flush may hold a million. */
const RECORD_SPANS_MAX = 1_000;
/** What OpenTelemetry's SDK keeps of links by default (OTEL_SPAN_LINK_COUNT_LIMIT). */
const LINKS_MAX = 128;

type Traces = ReturnType<typeof sampledTraces>;

/**
 * A span for each flush with links to the traces of its sampled posts, and a span in each of those
 * traces, so that a post can be followed from ingest to the file it lies in.
 */
export function traceFlushes(topic: string): NonNullable<EngineOptions["observe"]> {
  return () => {
    const traces: Traces = [];
    return {
      read(records: readonly FlushRecord[]) {
        const room = RECORD_SPANS_MAX - traces.length;
        if (room > 0) traces.push(...sampledTraces(records, room));
      },
      async land<T>(counts: { readonly records: number }, land: () => Promise<T>): Promise<T> {
        const attributes = {
          "messaging.destination.name": topic,
          "messaging.batch.message_count": counts.records,
        };
        const startMs = Date.now();
        const place = { links: traces.slice(0, LINKS_MAX) };
        return await withSpan(
          "landing flush",
          attributes,
          async () => {
            const landed = await land();
            const endMs = Date.now();
            for (const trace of traces) {
              recordSpan("landing post", trace, { startMs, endMs, attributes });
            }
            return landed;
          },
          place,
        );
      },
    };
  };
}

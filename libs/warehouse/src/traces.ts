import type { LandingOptions } from "@hybridge/landing";
import { recordSpan, sampledTraces, withSpan } from "@hybridge/tracing";

/** Posts of one segment whose own traces get a span; a segment may hold 50,000. */
const RECORD_SPANS_MAX = 1_000;
/** What OpenTelemetry's SDK keeps of links by default (OTEL_SPAN_LINK_COUNT_LIMIT). */
const LINKS_MAX = 128;

/**
 * A span for each segment with links to the traces of its sampled posts, and a span in each of
 * those traces, so that a post can be followed from ingest to the file it lies in.
 */
export const traceSegment: NonNullable<LandingOptions["observe"]> = async (cut, records, land) => {
  const traces = sampledTraces(records, RECORD_SPANS_MAX);
  const attributes = {
    "messaging.destination.name": cut.topic,
    "messaging.destination.partition.id": String(cut.partition),
    "hybridge.segment.first": String(cut.first),
    "hybridge.segment.last": String(cut.last),
    "messaging.batch.message_count": records.length,
  };
  const startMs = Date.now();
  const place = { links: traces.slice(0, LINKS_MAX) };
  return await withSpan(
    "landing segment",
    attributes,
    async () => {
      const landed = await land();
      const endMs = Date.now();
      for (const trace of traces) recordSpan("landing post", trace, { startMs, endMs, attributes });
      return landed;
    },
    place,
  );
};

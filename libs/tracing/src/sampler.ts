import { createContextKey, type Context } from "@opentelemetry/api";
import {
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type Sampler,
} from "@opentelemetry/sdk-trace-node";

const FORCED = createContextKey("hybridge.sampled");

/** A root span started in the returned context is recorded whatever the ratio says. */
export function forceSampling(context: Context): Context {
  return context.setValue(FORCED, true);
}

/** A share of the traces that begin here; those that began elsewhere keep their choice. */
export function createSampler(ratio: number): Sampler {
  const byRatio = new TraceIdRatioBasedSampler(ratio);
  return new ParentBasedSampler({
    root: {
      shouldSample: (context, traceId) =>
        context.getValue(FORCED) === true
          ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
          : byRatio.shouldSample(context, traceId),
      toString: () => `forced or ${byRatio.toString()}`,
    },
  });
}

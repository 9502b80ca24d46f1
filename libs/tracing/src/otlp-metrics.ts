import { ValueType, type HrTime } from "@opentelemetry/api";
import { millisToHrTime } from "@opentelemetry/core";
import type { Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import type { MetricObjectWithValues, MetricValueWithName } from "prom-client";
import type { Meters } from "./meters.ts";

/**
 * What Prometheus reads, as OpenTelemetry's data model has it: the same series from the same
 * counters, cumulative since the start of the process.
 *
 * @see https://opentelemetry.io/docs/specs/otel/metrics/data-model/
 */
export function metricProducer(meters: Meters, resource: Resource): MetricProducer {
  const startTime = millisToHrTime(Date.now());
  const scope = { name: "@hybridge/tracing" };
  return {
    async collect(): Promise<CollectionResult> {
      const registry = await meters.read();
      const found = await registry.getMetricsAsJSON();
      const time = { startTime, endTime: millisToHrTime(Date.now()) };
      const metrics = found.flatMap((metric) => {
        const data = dataOf(metric, time);
        return data ? [data] : [];
      });
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] }, errors: [] };
    },
  };
}

type Times = { readonly startTime: HrTime; readonly endTime: HrTime };
type Found = MetricObjectWithValues<MetricValueWithName<string>>;

function dataOf(metric: Found, times: Times): MetricData | undefined {
  const { name, help, values } = metric;
  const descriptor = {
    name,
    description: help,
    unit: name.includes("_seconds") ? "s" : name.includes("_bytes") ? "By" : "1",
    valueType: ValueType.DOUBLE,
    advice: {},
  };
  const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
  const points = () =>
    values.map(({ labels, value }) => ({ ...times, attributes: textsOf(labels), value }));
  switch (String(metric.type)) {
    case "counter":
      return {
        ...common,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: points(),
      };
    case "gauge":
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: points() };
    case "histogram":
      return {
        ...common,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: histogramsOf(values, times),
      };
    default:
      return undefined;
  }
}

/** Prometheus counts in a bucket what is at most its bound; here each value is in one bucket. */
function histogramsOf(values: Found["values"], times: Times): DataPoint<Histogram>[] {
  const series = new Map<string, { attributes: Record<string, string>; of: Found["values"] }>();
  for (const value of values) {
    const { le: _, ...attributes } = textsOf(value.labels);
    const key = JSON.stringify(attributes);
    const known = series.get(key) ?? { attributes, of: [] };
    series.set(key, { attributes, of: [...known.of, value] });
  }
  return [...series.values()].map(({ attributes, of }) => {
    const ending = (end: string) => of.filter(({ metricName }) => metricName?.endsWith(end));
    const cumulative = ending("_bucket");
    const boundaries = cumulative.map(({ labels }) => Number(labels["le"])).filter(Number.isFinite);
    const counts = cumulative.map(
      ({ value }, index) => value - (cumulative[index - 1]?.value ?? 0),
    );
    const value = {
      buckets: { boundaries, counts },
      sum: ending("_sum")[0]?.value ?? 0,
      count: ending("_count")[0]?.value ?? 0,
    };
    return { ...times, attributes, value };
  });
}

function textsOf(labels: Found["values"][number]["labels"]): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

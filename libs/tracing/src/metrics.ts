import type { Measurement } from "@hybridge/core";

/** One series as it stands. A histogram's buckets count what was at most `le`, cumulatively. */
export interface MetricSample {
  readonly kind: Measurement["kind"];
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The sum of a counter or histogram, the last value of a gauge. */
  readonly value: number;
  readonly count: number;
  readonly buckets?: readonly { readonly le: number; readonly count: number }[];
}

export interface MetricStore {
  record(measurement: Measurement): void;
  snapshot(): readonly MetricSample[];
}

/** Seconds; Prometheus client defaults and two above for queries. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A label that takes any value would fill the memory; beyond this many series new ones are not kept. */
const SERIES_MAX = 5_000;

interface Series {
  readonly kind: Measurement["kind"];
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
  count: number;
  readonly counts: number[];
}

/** Keeps the numbers of one process. */
export function createMetricStore(): MetricStore {
  const all = new Map<string, Series>();
  const seriesOf = (measurement: Measurement): Series | undefined => {
    const { kind, name, labels = {} } = measurement;
    const key = `${name}${JSON.stringify(labels)}`;
    const known = all.get(key);
    if (known !== undefined || all.size >= SERIES_MAX) return known;
    const counts = kind === "histogram" ? BUCKETS.map(() => 0) : [];
    const made = { kind, name, labels, value: 0, count: 0, counts };
    all.set(key, made);
    return made;
  };
  return {
    record(measurement) {
      const series = seriesOf(measurement);
      if (series === undefined) return;
      series.count += 1;
      series.value =
        measurement.kind === "gauge" ? measurement.value : series.value + measurement.value;
      series.counts.forEach((count, index) => {
        if (measurement.value <= (BUCKETS[index] ?? 0)) series.counts[index] = count + 1;
      });
    },
    snapshot: () =>
      [...all.values()].map(({ counts, ...sample }) =>
        sample.kind === "histogram"
          ? {
              ...sample,
              buckets: counts.map((count, index) => ({ le: BUCKETS[index] ?? 0, count })),
            }
          : sample,
      ),
  };
}

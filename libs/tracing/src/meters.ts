import { instruments, type InstrumentName, type Measurement } from "@hybridge/core";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Reads numbers that nobody tells of, such as lags: asked whenever somebody looks. */
export type Observer = () => readonly Measurement[] | Promise<readonly Measurement[]>;

/** The numbers of one process. */
export interface Meters {
  record(measurement: Measurement): void;
  /** Each series is what the observer last said; what it no longer names is gone. */
  observe(observer: Observer): void;
  /** All series, those of the process and its runtime too, as of now. */
  read(): Promise<Registry>;
}

/** Seconds; the defaults of Prometheus' clients, and two above for queries. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A label that takes any value would fill the memory; more series of an instrument are not kept. */
const SERIES_MAX = 10_000;

/** @param withProcess also CPU, memory and event loop, under the names that Prometheus' clients use */
export function createMeters(withProcess: boolean): Meters {
  const registry = new Registry();
  if (withProcess) collectDefaultMetrics({ register: registry });
  const meters = new Map<InstrumentName, Meter>();
  const observers: Observer[] = [];
  /** Instruments that observers have named, also those of which nothing is left now. */
  const observed = new Set<InstrumentName>();
  const meterOf = (name: InstrumentName): Meter => {
    const known = meters.get(name);
    if (known) return known;
    const made = createMeter(name, registry);
    meters.set(name, made);
    return made;
  };
  return {
    record: (measurement) => meterOf(measurement.name).record(measurement),
    observe: (observer) => void observers.push(observer),
    async read() {
      const answers = await Promise.allSettled(observers.map(async (observer) => observer()));
      // Who cannot say how it stands is left out: the other numbers are served all the same.
      const seen = answers.flatMap((answer) =>
        answer.status === "fulfilled" ? [...answer.value] : [],
      );
      for (const { name } of seen) observed.add(name);
      for (const name of observed) meterOf(name).forget();
      for (const measurement of seen) meterOf(measurement.name).record(measurement);
      return registry;
    },
  };
}

interface Meter {
  record(measurement: Measurement): void;
  forget(): void;
}

function createMeter(name: InstrumentName, registry: Registry): Meter {
  const { kind, help, labels: labelNames } = instruments[name];
  const options = { name, help, labelNames, registers: [registry] };
  const series = new Set<string>();
  const bounded = (move: (measurement: Measurement) => void) => (measurement: Measurement) => {
    const key = JSON.stringify(measurement.labels ?? {});
    if (!series.has(key) && series.size >= SERIES_MAX) return;
    series.add(key);
    move(measurement);
  };
  const meter = make();
  return {
    record: bounded(meter.move),
    forget() {
      series.clear();
      meter.metric.reset();
    },
  };

  function make() {
    switch (kind) {
      case "counter": {
        const metric = new Counter(options);
        const move = ({ labels = {}, value }: Measurement) => metric.inc(labels, value);
        return { metric, move };
      }
      case "gauge": {
        const metric = new Gauge(options);
        const move = ({ labels = {}, value }: Measurement) => metric.set(labels, value);
        return { metric, move };
      }
      case "histogram": {
        const metric = new Histogram({ ...options, buckets: BUCKETS });
        const move = ({ labels = {}, value }: Measurement) => metric.observe(labels, value);
        return { metric, move };
      }
    }
  }
}

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readConfig, UnavailableError, type HybridgeEvent } from "@hybridge/core";
import {
  recordSpan,
  sampledTraces,
  startRecordTrace,
  startTelemetry,
  traceparentOf,
  tracingSettings,
  withSpan,
  type SpanLine,
  type Telemetry,
} from "../src/index.ts";

// A process has one telemetry: the tests of this file share it.
const folder = mkdtempSync(join(tmpdir(), "hybridge-telemetry-"));
const file = join(folder, "spans.ndjson");
const lines: string[] = [];
let telemetry: Telemetry;

before(async () => {
  const config = readConfig(tracingSettings, {
    HYBRIDGE_TRACE_FILE: file,
    HYBRIDGE_TRACE_RATIO: "0.5",
    HYBRIDGE_METRICS_PORT: "0",
  });
  telemetry = await startTelemetry("test", config, { write: (line) => void lines.push(line) });
});

after(() => {
  rmSync(folder, { recursive: true });
});

const lastLine = () => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown>;

async function readMetrics(): Promise<string> {
  const url = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const listening = url.find(({ event }) => event === "metrics.listening");
  const response = await fetch(String(listening?.["url"]));
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  return response.text();
}

test("an event is one JSON line and moves its metrics", async () => {
  const event: HybridgeEvent = {
    name: "segment.published",
    level: "info",
    message: "published",
    fields: { offset: 9_007_199_254_740_993n, token: "s3cret", nested: { password: "s3cret" } },
    error: new UnavailableError("away", { cause: new Error("refused") }),
    measurements: [
      {
        kind: "counter",
        name: "hybridge_landing_gap_offsets_total",
        value: 3,
        labels: { why: "retention" },
      },
      { kind: "gauge", name: "hybridge_service_degraded", value: 1 },
      {
        kind: "histogram",
        name: "hybridge_redshift_statement_seconds",
        value: 0.2,
        labels: { kind: "statement" },
      },
    ],
  };
  telemetry.emit(event);
  telemetry.emit(event);
  const line = lastLine();
  assert.equal(line["event"], "segment.published");
  assert.equal(line["level"], "info");
  assert.equal(line["service"], "test");
  assert.match(lines.at(-1) ?? "", /"offset":9007199254740993,/);
  assert.doesNotMatch(lines.at(-1) ?? "", /s3cret/);
  const error = line["error"];
  assert.deepEqual(error, { code: "UNAVAILABLE", retry: "backoff", message: "away: refused" });
  const served = await readMetrics();
  assert.match(served, /^hybridge_landing_gap_offsets_total\{why="retention"\} 6$/m);
  assert.match(served, /^# TYPE hybridge_service_degraded gauge\nhybridge_service_degraded 1$/m);
  const bucket = 'hybridge_redshift_statement_seconds_bucket{le="0.25",kind="statement"} 2';
  assert.ok(served.includes(bucket), served);
  assert.match(served, /^process_cpu_seconds_total [\d.]+$/m);
});

test("below the level, an event counts and is not written", async () => {
  const before = lines.length;
  const measurements = [
    { kind: "counter", name: "hybridge_ingest_posts_total", value: 1 },
  ] as const;
  telemetry.emit({ name: "tick", level: "debug", message: "tick", measurements });
  assert.equal(lines.length, before);
  assert.match(await readMetrics(), /^hybridge_ingest_posts_total 1$/m);
});

test("what is observed is read when somebody looks, and what is no longer there is gone", async () => {
  const name = "hybridge_landing_lag_records";
  const gauge = (partition: string, value: number) =>
    ({ kind: "gauge", name, value, labels: { topic: "t", partition } }) as const;
  let now = [gauge("0", 5), gauge("1", 6)];
  telemetry.observe(() => now);
  telemetry.observe(() => Promise.reject(new Error("not now")));
  const seriesOf = (text: string) => text.split("\n").filter((line) => line.startsWith(`${name}{`));
  assert.deepEqual(seriesOf(await readMetrics()), [
    `${name}{topic="t",partition="0"} 5`,
    `${name}{topic="t",partition="1"} 6`,
  ]);
  now = [gauge("1", 4)];
  assert.deepEqual(seriesOf(await readMetrics()), [`${name}{topic="t",partition="1"} 4`]);
  now = [];
  assert.deepEqual(seriesOf(await readMetrics()), []);
});

test("a log line within a span carries its ids", async () => {
  await withSpan("work", {}, (span) => {
    telemetry.emit({ name: "inside", level: "info", message: "inside" });
    assert.equal(lastLine()["trace_id"], span.spanContext().traceId);
    return Promise.resolve();
  });
});

const header = (text: string) => ({ headers: [["traceparent", Buffer.from(text)]] as const });

test("a record's traceparent is read back, and damaged ones are not", () => {
  const { traceparent } = startRecordTrace("post");
  const context = traceparentOf(header(traceparent).headers);
  assert.equal(context?.traceId, traceparent.slice(3, 35));
  for (const damaged of [
    "",
    "00-zz",
    traceparent.toUpperCase().replace("00-", "0A-"),
    `00-${"0".repeat(32)}-${"1".repeat(16)}-01`,
    `${traceparent}x`,
  ]) {
    assert.equal(traceparentOf(header(damaged).headers), undefined, damaged);
  }
  assert.equal(traceparentOf([["traceparent", null]]), undefined);
});

test("about the chosen share of records is sampled, and links are bounded", () => {
  const traces = Array.from({ length: 2_000 }, () => startRecordTrace("post"));
  const sampled = traces.filter(({ traceparent }) => traceparent.endsWith("-01")).length;
  assert.equal(new Set(traces.map(({ traceparent }) => traceparent)).size, 2_000);
  // Eight standard deviations on either side of one half.
  assert.ok(sampled > 820 && sampled < 1_180, `${sampled} of 2000 were sampled`);
  const links = sampledTraces(traces.map(({ traceparent }) => header(traceparent)));
  assert.equal(links.length, 8);
  assert.ok(links.every(({ traceFlags }) => traceFlags === 1));
});

test("a record's spans in several services make one trace, in the file after disposal", async () => {
  let trace = startRecordTrace("ingest post");
  while (!trace.traceparent.endsWith("-01")) trace = startRecordTrace("ingest post");
  trace.end({ "kafka.offset": 5 });
  const parent = traceparentOf(header(trace.traceparent).headers);
  assert.ok(parent);
  recordSpan("land post", parent, { startMs: 1_000, endMs: 2_500 });
  await withSpan("load", {}, () => Promise.resolve(), { links: [parent] });
  await telemetry[Symbol.asyncDispose]();
  const spans = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SpanLine);
  const root = spans.find(({ spanId }) => spanId === parent.spanId);
  assert.equal(root?.name, "ingest post");
  assert.equal(root.parentSpanId, undefined);
  const landed = spans.find(({ name }) => name === "land post");
  assert.equal(landed?.traceId, root.traceId);
  assert.equal(landed.parentSpanId, root.spanId);
  assert.equal(BigInt(landed.endNs) - BigInt(landed.startNs), 1_500_000_000n);
});

test("settings say what they want", async () => {
  assert.throws(() => readConfig(tracingSettings, { HYBRIDGE_TRACE_RATIO: "2" }), /from 0 to 1/);
  await assert.rejects(
    startTelemetry("x", readConfig(tracingSettings, { HYBRIDGE_TRACE_FILE: "/no/such/x" })),
    { code: "CONFIG", message: /HYBRIDGE_TRACE_FILE/ },
  );
});

import { setting, type Config, type Settings } from "@hybridge/core";
import { z } from "zod";

const RATIO = { error: "must be a number from 0 to 1" };

/** The settings of logs and traces that every process shares. */
export const tracingSettings = {
  HYBRIDGE_LOG_LEVEL: {
    schema: setting.oneOf(["debug", "info", "warn", "error"], "info"),
    doc: "least level of the JSON lines on stderr: debug, info, warn or error",
  },
  HYBRIDGE_FAILPOINT: {
    schema: setting.optional(),
    doc: "for tests: the place at which the process kills itself (docs/failpoints.md)",
  },
  HYBRIDGE_METRICS_HOST: {
    schema: setting.text("127.0.0.1"),
    doc: "address that metrics are served on",
  },
  HYBRIDGE_METRICS_PORT: {
    schema: setting.integer(0, 65_535).optional(),
    doc: "port that Prometheus reads /metrics from (docs/metrics.md); 0 takes a free one, told by metrics.listening; without it none is served",
  },
  HYBRIDGE_OTLP_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "OTLP/gRPC collector that spans and metrics are sent to, for example http://127.0.0.1:4317",
  },
  HYBRIDGE_TRACE_FILE: {
    schema: setting.optional(),
    doc: "file that finished spans are appended to, one JSON object a line",
  },
  HYBRIDGE_TRACE_RATIO: {
    schema: z
      .string()
      .regex(/^(0|1|0?\.\d+|1\.0+|0\.0*)$/, RATIO)
      .transform(Number)
      .prefault("0.01"),
    doc: "share of the traces begun here that are recorded, 0 to 1; a trace begun elsewhere keeps its choice",
  },
} as const satisfies Settings;

export type TracingConfig = Pick<
  Config<typeof tracingSettings>,
  | "HYBRIDGE_LOG_LEVEL"
  | "HYBRIDGE_METRICS_HOST"
  | "HYBRIDGE_METRICS_PORT"
  | "HYBRIDGE_OTLP_ENDPOINT"
  | "HYBRIDGE_TRACE_FILE"
  | "HYBRIDGE_TRACE_RATIO"
>;

import { readConfig, setting, type Config, type Settings } from "@hybridge/core";
import { hdfsSettings } from "@hybridge/hdfs";
import { hiveSettings } from "@hybridge/hive";
import { clusterSettings } from "@hybridge/kafka";
import { redshiftSettings } from "@hybridge/redshift";
import { rpcSettings } from "@hybridge/rpc";
import { tracingSettings } from "@hybridge/tracing";

/** The settings of query-gateway; docs/settings.md derives from them. */
export const settings = {
  ...hiveSettings,
  ...hdfsSettings,
  ...redshiftSettings,
  ...clusterSettings("HYBRIDGE_SOURCE", "the source cluster"),
  HYBRIDGE_SOURCE_BOOTSTRAP: {
    schema: setting.bootstrap().optional(),
    doc: "host:port of brokers of the source cluster, with commas; without it nothing is ever called reconciled, because nobody says what there is",
  },
  ...clusterSettings("HYBRIDGE_TARGET", "the target cluster", "127.0.0.1:9192"),
  HYBRIDGE_TOPIC: {
    schema: setting.text("hybrid"),
    doc: "topic that is reconciled when a request names none",
  },
  HYBRIDGE_QUERY_ROWS_MAX: {
    schema: setting.integer(1, 1_000_000_000, 1_000_000),
    doc: "rows of a result at most; then it is truncated and says so",
  },
  HYBRIDGE_QUERY_BYTES_MAX: {
    schema: setting.integer(65_536, 1_000_000_000_000, 268_435_456),
    doc: "bytes of values of a result at most; then it is truncated and says so",
  },
  HYBRIDGE_QUERY_BATCH_BYTES: {
    // Below 64 KiB the frames cost more than the rows; above 512 KiB cancelling takes long to notice.
    schema: setting.integer(65_536, 524_288, 262_144),
    doc: "bytes of values in one message of a result, about",
  },
  HYBRIDGE_QUERY_MS_MAX: {
    schema: setting.integer(100, 86_400_000, 600_000),
    doc: "longest time of a query, whatever deadline its caller sets, in ms",
  },
  HYBRIDGE_QUERY_CONCURRENT_MAX: {
    schema: setting.integer(1, 1_000, 8),
    doc: "queries at the same time on each engine; more are refused with RESOURCE_EXHAUSTED",
  },
  ...rpcSettings,
  ...tracingSettings,
} as const satisfies Settings;

export type QueryGatewayConfig = Config<typeof settings>;

/** @throws ConfigError with every problem at once */
export function readQueryGatewayConfig(): QueryGatewayConfig {
  return readConfig(settings, process.env);
}

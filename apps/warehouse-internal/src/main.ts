import { describeSettings, exitCode, runProgram } from "@hybridge/core";
import { startTelemetry } from "@hybridge/tracing";
import { readWarehouseInternalConfig, settings } from "./config.ts";
import { runWarehouseInternal } from "./wire.ts";

const HELP = `warehouse-internal: lands the source Kafka in HDFS, each record exactly once, for Hive.

Settings (environment variables):
${describeSettings(settings)}
`;

await runProgram("warehouse-internal", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return exitCode.ok;
  }
  const config = readWarehouseInternalConfig();
  await using telemetry = await startTelemetry("warehouse-internal", config);
  await runWarehouseInternal(config, telemetry, signal);
  return exitCode.ok;
});

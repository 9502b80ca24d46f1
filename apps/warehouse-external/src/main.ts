import { describeSettings, exitCode, runProgram } from "@hybridge/core";
import { startTelemetry } from "@hybridge/tracing";
import { readWarehouseExternalConfig, settings } from "./config.ts";
import { runWarehouseExternal } from "./wire.ts";

const HELP = `warehouse-external: lands the target Kafka in S3, each record exactly once, and loads it into Redshift.

Credentials come from the AWS SDK's usual places (AWS_ACCESS_KEY_ID, profile, role of the machine).

Settings (environment variables):
${describeSettings(settings)}
`;

await runProgram("warehouse-external", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return exitCode.ok;
  }
  const config = readWarehouseExternalConfig();
  await using telemetry = await startTelemetry("warehouse-external", config);
  await runWarehouseExternal(config, telemetry, signal);
  return exitCode.ok;
});

import { describeSettings, exitCode, runProgram } from "@hybridge/core";
import { startTelemetry } from "@hybridge/tracing";
import { readQueryGatewayConfig, settings } from "./config.ts";
import { wireQueryGateway } from "./wire.ts";

const HELP = `query-gateway: answers read-only SQL over Hive and Redshift by gRPC, counts posts, and
compares both sides.

Settings (environment variables):
${describeSettings(settings)}
`;

await runProgram("query-gateway", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return exitCode.ok;
  }
  const config = readQueryGatewayConfig();
  await using telemetry = await startTelemetry("query-gateway", config);
  await using gateway = await wireQueryGateway(config, telemetry.emit);
  await gateway.run(signal);
  return exitCode.ok;
});

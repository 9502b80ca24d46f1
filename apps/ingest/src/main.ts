import "./heap.ts";
import { describeSettings, exitCode, runProgram } from "@hybridge/core";
import { startTelemetry } from "@hybridge/tracing";
import { readIngestConfig, settings } from "./config.ts";
import { wireIngest } from "./wire.ts";

const HELP = `ingest: brings posts into the source Kafka, each exactly once.

Settings (environment variables):
${describeSettings(settings)}
`;

await runProgram("ingest", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return exitCode.ok;
  }
  const config = readIngestConfig();
  await using telemetry = await startTelemetry("ingest", config);
  await using ingest = await wireIngest(config, telemetry);
  await ingest.run(signal);
  return exitCode.ok;
});

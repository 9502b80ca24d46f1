import "./heap.ts";
import { describeSettings, exitCode, runProgram } from "@hybridge/core";
import { startTelemetry } from "@hybridge/tracing";
import { readMirrorConfig, settings } from "./config.ts";
import { runMirror } from "./wire.ts";

const HELP = `mirror: copies topics from the source Kafka to the target Kafka, each record exactly once.

Settings (environment variables):
${describeSettings(settings)}
`;

await runProgram("mirror", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return exitCode.ok;
  }
  const config = readMirrorConfig();
  await using telemetry = await startTelemetry("mirror", config);
  await runMirror(config, telemetry, signal);
  return exitCode.ok;
});

import { describeSettings, runProgram, type Emit } from "@hybridge/core";
import { readRedshiftConfig, redshiftSettings } from "./config.ts";
import { startRedshiftEndpoint } from "./endpoint.ts";

const HELP = `A local stand-in for the Amazon Redshift Data API, for development and tests only.

It speaks AWS JSON 1.1 to the official SDKs and runs Redshift's SQL, as far as it is translated,
on PostgreSQL. It is not Redshift: one node, and nobody is asked for a password.

Settings (environment):
${describeSettings(redshiftSettings)}
`;

await runProgram("hybridge-redshift", async (signal) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readRedshiftConfig();
  const emit = logLines(config.HYBRIDGE_LOG_LEVEL);
  await using endpoint = await startRedshiftEndpoint(config, emit);
  emit({
    name: "service.listening",
    level: "info",
    message: `the Redshift Data API endpoint answers at ${endpoint.url}`,
    fields: { address: endpoint.url },
  });
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return undefined;
});

/** One line of JSON per event on stderr, as the services write them. */
function logLines(least: "debug" | "info" | "warn" | "error"): Emit {
  const levels = ["debug", "info", "warn", "error"];
  return (event) => {
    if (levels.indexOf(event.level) < levels.indexOf(least)) return;
    const error = event.error instanceof Error ? event.error.stack : event.error;
    const line = {
      level: event.level,
      time: new Date().toISOString(),
      service: "redshift",
      event: event.name,
      msg: event.message,
      ...event.fields,
      error,
    };
    process.stderr.write(`${JSON.stringify(line)}\n`);
  };
}

import {
  ConfigError,
  readConfig,
  setting,
  settingNames,
  type Config,
  type Settings,
} from "@hybridge/core";
import { liveSettings } from "@hybridge/ingest";
import { isFree, localSettings } from "@hybridge/local";
import { type ServiceName, serviceNames } from "./run/plan.ts";

/** The settings of the command line: those of the local cloud, of live sources, and the ports of a run. */
export const settings = {
  ...localSettings,
  ...liveSettings,
  HYBRIDGE_RUN_RPC_PORT: {
    schema: setting.integer(1_024, 65_531, 7101),
    doc: "first of the five gRPC ports of npm start: ingest, mirror, warehouse-internal, warehouse-external, query-gateway",
  },
  HYBRIDGE_LOG_LEVEL: {
    schema: setting.oneOf(["debug", "info", "warn", "error"], "info"),
    doc: "debug also prints the stack of an error",
  },
} as const satisfies Settings;

/** @throws ConfigError with every problem at once */
export function readCliConfig(): Config<typeof settings> {
  return readConfig(settings, process.env);
}

/** The settings of live sources that the shell holds, as they stand there. */
export function liveEnvironment(): Record<string, string> {
  return Object.fromEntries(
    settingNames(liveSettings).flatMap((name) => {
      const value = process.env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/**
 * The gRPC ports of a live run, which clients find where the README says.
 *
 * @throws ConfigError when one is taken, before anything is started
 */
export async function liveRpcPorts(first: number): Promise<Record<ServiceName, number>> {
  const ports = {} as Record<ServiceName, number>;
  for (const [index, name] of serviceNames.entries()) {
    const port = first + index;
    if (!(await isFree(port))) {
      throw new ConfigError(
        `port ${port} of 127.0.0.1, for the gRPC of ${name}, is in use by another program: end ` +
          `that, or set HYBRIDGE_RUN_RPC_PORT to the first of five free ones`,
      );
    }
    ports[name] = port;
  }
  return ports;
}

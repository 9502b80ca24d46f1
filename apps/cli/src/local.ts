import { resolve } from "node:path";
import { exitCode } from "@hybridge/core";
import {
  cloudStatus,
  type ComponentStatus,
  holderOf,
  readAddresses,
  securityOf,
  startDetachedCloud,
  stopDetachedCloud,
} from "@hybridge/local";
import { Command, InvalidArgumentError, Option } from "commander";
import { grantServices } from "./run/grants.ts";
import { renderTable } from "./table.ts";

interface LocalOptions {
  readonly dir?: string;
  readonly secure: boolean;
  readonly output: "text" | "json";
}

interface UpOptions extends LocalOptions {
  readonly port: Readonly<Record<string, number>>;
  readonly freePorts: boolean;
}

/** The topic that the services get rights to. */
const TOPIC = "hybrid";

/** Every port that clients use, by its short name on the command line. */
const PORTS = ["source", "target", "hdfs", "webhdfs", "standby", "hive", "s3", "redshift"] as const;

/**
 * `hybridge local`: the components without the services, in the background.
 *
 * @param signal aborted when the user wants to end
 * @param done told the exit code
 */
export function localCommand(signal: AbortSignal, done: (code: number) => void): Command {
  const local = new Command("local")
    .summary("the local hybrid cloud in the background")
    .description(
      "Two Kafkas, HDFS, Hive, S3 and a Redshift endpoint on this machine, in the background, for " +
        "development and for tests that bring their own services. `npm start` does not need it.",
    );
  local.addCommand(
    common(new Command("up"))
      .summary("start it, or what of it is not running")
      .description("Starts the local cloud and waits until all of it is healthy. Data is kept.")
      .option(
        "--port <name=number>",
        `another port for ${PORTS.join(", ")}; may be repeated`,
        port,
        {},
      )
      .option("--free-ports", "take any free ports; addresses.json in the folder names them", false)
      .action(async (options: UpOptions) => {
        done(await up(options, signal));
      }),
  );
  local.addCommand(
    common(new Command("down"))
      .summary("stop it; the data stays")
      .action(async (options: LocalOptions) => {
        done(await down(options));
      }),
  );
  local.addCommand(
    common(new Command("status"))
      .summary("show each component: state, address, process, memory")
      .description("Exit code 0 when all are healthy, 10 when not.")
      .action(async (options: LocalOptions) => {
        done(await status(options));
      }),
  );
  return local;
}

function common(command: Command): Command {
  return command
    .option(
      "--dir <path>",
      "its folder: data, logs, addresses.json (default: .hybridge/local, with -secure behind)",
      (dir) => resolve(dir),
    )
    .option("--secure", "the one with TLS, logins and ACLs", false)
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"),
    );
}

function dirOf({ dir, secure }: LocalOptions): string {
  const folder = `../../../.hybridge/local${secure ? "-secure" : ""}`;
  return dir ?? resolve(import.meta.dirname, folder);
}

async function up(options: UpOptions, signal: AbortSignal): Promise<number> {
  const dir = dirOf(options);
  const started = await startDetachedCloud({
    dir,
    secure: options.secure,
    ports: options.port,
    freePorts: options.freePorts,
    onEvent: (line) => process.stderr.write(`${line}\n`),
    signal,
  });
  const addresses = readAddresses(dir);
  if (addresses) await grantServices({ addresses, security: securityOf(dir) }, TOPIC, signal);
  if (!started && options.output === "text") {
    process.stderr.write(`it runs already in ${dir}\n`);
  }
  return status(options);
}

async function down(options: LocalOptions): Promise<number> {
  const ran = await stopDetachedCloud(dirOf(options));
  if (options.output === "json") process.stdout.write(`${JSON.stringify({ stopped: ran })}\n`);
  else process.stdout.write(ran ? "stopped; no process is left\n" : "nothing was running\n");
  return exitCode.ok;
}

async function status(options: LocalOptions): Promise<number> {
  const dir = dirOf(options);
  const components = await cloudStatus(dir);
  const healthy = components.every(({ state }) => state === "HEALTHY");
  process.stdout.write(
    options.output === "json" ? statusJson(dir, components) : statusText(components),
  );
  return healthy ? exitCode.ok : exitCode.unhealthy;
}

function statusJson(dir: string, components: readonly ComponentStatus[]): string {
  const holder = holderOf(dir)?.pid ?? null;
  const shown = components.map((component) => ({ ...component, pid: component.pid ?? null }));
  const addresses = readAddresses(dir) ?? null;
  return `${JSON.stringify({ dir, holder, addresses, components: shown })}\n`;
}

function statusText(components: readonly ComponentStatus[]): string {
  const table = renderTable(
    ["component", "state", "address", "pid", "memory", "log or reason"],
    components.map((component) => [
      component.name,
      component.state,
      component.address,
      component.pid === undefined ? "" : String(component.pid),
      component.pid === undefined ? "" : `${Math.round(component.residentBytes / 1e6)} MB`,
      component.reason === "" ? component.logFile : component.reason,
    ]),
    200,
  );
  return `${table}\n`;
}

function port(text: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const [name = "", number = ""] = text.split("=");
  const value = Number(number);
  if (!PORTS.some((known) => known === name)) {
    throw new InvalidArgumentError(`the names are ${PORTS.join(", ")}.`);
  }
  if (!/^\d{1,5}$/.test(number) || value < 1 || value > 65_535) {
    throw new InvalidArgumentError("a port is a number from 1 to 65535.");
  }
  return { ...before, [`HYBRIDGE_LOCAL_${name.toUpperCase()}_PORT`]: value };
}

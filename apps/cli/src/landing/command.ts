import { readFileSync } from "node:fs";
import { exitCode } from "@hybridge/core";
import { WarehouseControlClient } from "@hybridge/proto/hybridge/warehouse/v1/warehouse_control";
import { createClient } from "@hybridge/rpc";
import { Command, InvalidArgumentError, Option } from "commander";
import { readCliConfig } from "../config.ts";
import { serviceNames } from "../run/plan.ts";
import { flush, pause, readGaps, readLoads, readStatus, resume } from "./calls.ts";
import { flushText, gapsText, loadsText, partitionsText, statusText } from "./texts.ts";

interface LandingArguments {
  readonly address?: string;
  readonly side?: "internal" | "external";
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly output: "text" | "json";
}

interface PartitionArguments extends LandingArguments {
  readonly partitions: readonly number[];
}

/** One warehouse process that is asked. */
interface Target {
  readonly name: string;
  readonly address: string;
}

type Ask<T> = (client: WarehouseControlClient, signal: AbortSignal) => Promise<T>;

/** What an answer of one process is for people. */
type Show<T> = (answer: T) => string;

const EXAMPLES = `
Each process of a warehouse answers for the partitions that it has. Without --address both warehouses of
\`npm start\` are asked.

Examples:
  npm run hybridge -- landing status
  npm run hybridge -- landing status --side external -o json
  npm run hybridge -- landing pause --side internal --partitions 0,3
  npm run hybridge -- landing resume --address warehouse-0.posts:7000 --token-file token --ca-file ca.pem

Exit codes: 0 answered, 1 not answered or refused, 2 wrong arguments.
`;

/**
 * `hybridge landing`: what the warehouses land, and how it is steered.
 *
 * @param signal aborted when the user wants to end
 * @param done told the exit code
 */
export function landingCommand(signal: AbortSignal, done: (code: number) => void): Command {
  const landing = new Command("landing")
    .summary("look at and steer what the warehouses land")
    .description("Status, flush, pause, resume, gaps and loads of the two warehouses, over gRPC.")
    .addHelpText("after", EXAMPLES);
  const add = <T>(name: string, summary: string, ask: Ask<T>, show: Show<T>) => {
    const command = common(new Command(name)).summary(summary).description(summary);
    landing.addCommand(
      command.action(async (given: LandingArguments) => {
        done(await askAll(given, ask, show, signal));
      }),
    );
  };
  const steer = <T>(
    name: string,
    summary: string,
    ask: (partitions: readonly number[]) => Ask<T>,
    show: Show<T>,
  ) => {
    const command = common(new Command(name)).summary(summary).description(summary);
    command.option("--partitions <list>", "some of them: 0,3 (default: all)", partitionList, []);
    landing.addCommand(
      command.action(async (given: PartitionArguments) => {
        done(await askAll(given, ask(given.partitions), show, signal));
      }),
    );
  };
  add("status", "where each partition stands, and why it stands still", readStatus, statusText);
  add("flush", "land what has been read, now", flush, flushText);
  steer("pause", "stop reading partitions until they are resumed", pause, partitionsText);
  steer("resume", "go on with partitions that are paused or stopped", resume, partitionsText);
  add("gaps", "offsets that were never landed, and why", readGaps, gapsText);
  add("loads", "how far Hive or Redshift shows what has landed", readLoads, loadsText);
  return landing;
}

function common(command: Command): Command {
  return command
    .option("--address <host:port>", "gRPC address of one process")
    .addOption(
      new Option("--side <side>", "one of the two of npm start").choices(["internal", "external"]),
    )
    .option("--token-file <path>", "file with the token that is shown to the service")
    .option("--ca-file <path>", "PEM file with the authority of the service's certificate; TLS")
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"),
    );
}

/** Asks every process that is meant, and prints the answers. */
async function askAll<T>(
  given: LandingArguments,
  ask: Ask<T>,
  show: Show<T>,
  signal: AbortSignal,
): Promise<number> {
  const access = {
    token: given.tokenFile === undefined ? undefined : readFileSync(given.tokenFile, "utf8").trim(),
    ca: given.caFile === undefined ? undefined : readFileSync(given.caFile, "utf8"),
  };
  const answers: { readonly warehouse: string; readonly answer: T }[] = [];
  for (const { name, address } of targetsOf(given)) {
    const client = createClient(WarehouseControlClient, address, access);
    try {
      answers.push({ warehouse: name, answer: await ask(client, signal) });
    } finally {
      client.close();
    }
  }
  const text =
    given.output === "json"
      ? JSON.stringify(
          answers.map(({ warehouse, answer }) => ({ warehouse, ...answer })),
          plain,
        )
      : answers.map(({ warehouse, answer }) => `${warehouse}\n${show(answer)}`).join("\n\n");
  process.stdout.write(`${text}\n`);
  return exitCode.ok;
}

function targetsOf({ address, side }: LandingArguments): readonly Target[] {
  if (address !== undefined) return [{ name: side ?? address, address }];
  const first = readCliConfig().HYBRIDGE_RUN_RPC_PORT;
  const sides = side === undefined ? (["internal", "external"] as const) : [side];
  return sides.map((name) => {
    const port = first + serviceNames.indexOf(`warehouse-${name}`);
    return { name, address: `127.0.0.1:${port}` };
  });
}

/** int64 as a number where JavaScript has it exactly, else as text. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function partitionList(text: string): readonly number[] {
  return text.split(",").map((part) => {
    if (/^\s*\d{1,6}\s*$/.test(part)) return Number(part);
    throw new InvalidArgumentError("must be numbers of partitions with commas: 0,3.");
  });
}

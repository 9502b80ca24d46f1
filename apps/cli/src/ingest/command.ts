import { readFileSync } from "node:fs";
import { exitCode } from "@hybridge/core";
import { IngestControlClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { createClient } from "@hybridge/rpc";
import { Command, Option } from "commander";
import { readCliConfig } from "../config.ts";
import { changeRules, listRules, pause, readStatus, resume } from "./calls.ts";
import { feedsText, rulesText, statusText } from "./texts.ts";

interface IngestArguments {
  readonly address?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly output: "text" | "json";
}

type Ask<T> = (client: IngestControlClient, signal: AbortSignal) => Promise<T>;

const EXAMPLES = `
Without --address the ingest of \`npm start\` is asked.

Examples:
  npm run hybridge -- ingest status
  npm run hybridge -- ingest pause x
  npm run hybridge -- ingest rules x
  npm run hybridge -- ingest rules x --add 'kafka lang:en' --tag kafka --remove 1700000000000000001
  npm run hybridge -- ingest status --address ingest.posts:7000 --token-file token --ca-file ca.pem -o json

Exit codes: 0 answered, 1 not answered or refused, 2 wrong arguments.
`;

/**
 * `hybridge ingest`: what the feeds of an ingest do, and how they are steered.
 *
 * @param signal aborted when the user wants to end
 * @param done told the exit code
 */
export function ingestCommand(signal: AbortSignal, done: (code: number) => void): Command {
  const ingest = new Command("ingest")
    .summary("look at and steer the feeds of ingest")
    .description("Status of feeds and spool, pause, resume and rules, over gRPC.")
    .addHelpText("after", EXAMPLES);
  const answer = async <T>(given: IngestArguments, ask: Ask<T>, show: (answer: T) => string) =>
    done(await askOne(given, ask, show, signal));
  ingest.addCommand(
    common(new Command("status"))
      .summary("what each feed does, and how full the spool is")
      .action((given: IngestArguments) => answer(given, readStatus, statusText)),
  );
  for (const [name, summary, ask] of [
    ["pause", "stop feeds until they are resumed, or the process is started anew", pause],
    ["resume", "let paused feeds go on where they were", resume],
  ] as const) {
    ingest.addCommand(
      common(new Command(name))
        .summary(summary)
        .argument("[feeds...]", "some of them (default: all)")
        .action((feeds: string[], given: IngestArguments) => answer(given, ask(feeds), feedsText)),
    );
  }
  ingest.addCommand(
    common(new Command("rules"))
      .summary("the rules that a source filters by; adds and removes some")
      .argument("<feed>", "a feed whose source has rules: x")
      .option("--add <rule...>", "rules to add")
      .option("--tag <tag>", "tag of the rules that are added", "")
      .option("--remove <id...>", "ids of rules to remove, after the others were added")
      .action((feed: string, given: IngestArguments & RuleArguments) => {
        const { add = [], tag, remove = [] } = given;
        const isChange = add.length > 0 || remove.length > 0;
        const rules = add.map((value) => ({ id: "", value, tag }));
        return answer(
          given,
          isChange ? changeRules(feed, rules, remove) : listRules(feed),
          rulesText,
        );
      }),
  );
  return ingest;
}

interface RuleArguments {
  readonly add?: string[];
  readonly tag: string;
  readonly remove?: string[];
}

function common(command: Command): Command {
  return command
    .option("--address <host:port>", "gRPC address of the process")
    .option("--token-file <path>", "file with the token that is shown to the service")
    .option("--ca-file <path>", "PEM file with the authority of the service's certificate; TLS")
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"),
    );
}

async function askOne<T>(
  given: IngestArguments,
  ask: Ask<T>,
  show: (answer: T) => string,
  signal: AbortSignal,
): Promise<number> {
  const access = {
    token: given.tokenFile === undefined ? undefined : readFileSync(given.tokenFile, "utf8").trim(),
    ca: given.caFile === undefined ? undefined : readFileSync(given.caFile, "utf8"),
  };
  const address = given.address ?? `127.0.0.1:${readCliConfig().HYBRIDGE_RUN_RPC_PORT}`;
  const client = createClient(IngestControlClient, address, access);
  try {
    const answer = await ask(client, signal);
    const text = given.output === "json" ? JSON.stringify(answer, plain) : show(answer);
    process.stdout.write(`${text}\n`);
    return exitCode.ok;
  } finally {
    client.close();
  }
}

/** 64-bit numbers as numbers where JavaScript has them exactly, else as text. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { ConfigError, exitCode } from "@hybridge/core";
import { Command, Option } from "commander";
import { migrateFlume } from "./flume.ts";
import { migrationJson, migrationText, type Migration } from "./migration.ts";
import { migrateFlow, migrateMirrorMaker } from "./mirrormaker.ts";
import { readProperties } from "./properties.ts";

interface Output {
  readonly output: "text" | "json";
}

const EXAMPLES = `
Prints settings with an explanation of each, and names every line of the files that has no counterpart.
Secrets are not printed: they go into files that the settings name.

Examples:
  npm run hybridge -- migrate flume /etc/flume/twitter.conf
  npm run hybridge -- migrate flume flume.conf --agent TwitterAgent > ingest.env
  npm run hybridge -- migrate mirrormaker mm2.properties
  npm run hybridge -- migrate mirrormaker mm2.properties --flow 'primary->backup'
  npm run hybridge -- migrate mirrormaker consumer.properties producer.properties --topics 'tweets.*'
`;

/**
 * `hybridge migrate`: settings of ours for files of Flume and MirrorMaker.
 *
 * @param done told the exit code
 */
export function migrateCommand(done: (code: number) => void): Command {
  const migrate = new Command("migrate")
    .summary("print the settings for files of Flume or MirrorMaker")
    .description("Reads configuration files of what Hybridge takes the place of.")
    .addHelpText("after", EXAMPLES);
  const print = (migration: Migration, { output }: Output) => {
    const text = output === "json" ? migrationJson(migration) : migrationText(migration);
    process.stdout.write(`${text}\n`);
    done(exitCode.ok);
  };
  migrate.addCommand(
    new Command("flume")
      .summary("a configuration file of a Flume agent")
      .argument("<file>", "as flume-ng takes it with --conf-file")
      .option("--agent <name>", "where the file has several agents")
      .addOption(output())
      .action((file: string, given: Output & { readonly agent?: string }) => {
        const { name, entries } = read(file);
        print(migrateFlume(name, entries, given.agent), given);
      }),
  );
  migrate.addCommand(
    new Command("mirrormaker")
      .summary("the property file of MirrorMaker 2, or the two of MirrorMaker 1")
      .argument("<files...>", "mm2.properties, or consumer.properties and producer.properties")
      .option(
        "--topics <patterns>",
        "what MirrorMaker 1 was started with as --whitelist or --include",
      )
      .option("--flow <flow>", "where MirrorMaker 2 has several: 'primary->backup'")
      .addOption(output())
      .action(
        (paths: string[], given: Output & { readonly topics?: string; readonly flow?: string }) => {
          const files = paths.map(read);
          const [first] = files;
          const one =
            given.flow !== undefined && first ? migrateFlow(first, given.flow) : undefined;
          print(one ?? migrateMirrorMaker(files, given.topics), given);
        },
      ),
  );
  return migrate;
}

function output(): Option {
  return new Option("-o, --output <format>", "how to print")
    .choices(["text", "json"])
    .default("text");
}

function read(path: string) {
  const name = basename(path);
  try {
    return { name, entries: readProperties(readFileSync(path, "utf8"), name) };
  } catch (error) {
    throw new ConfigError(`cannot read ${path}: check its name and who may read it`, {
      cause: error,
    });
  }
}

import { exitCode, runProgram } from "@hybridge/core";
import { Command, CommanderError } from "commander";
import { ingestCommand } from "./ingest/command.ts";
import { localCommand } from "./local.ts";
import { landingCommand } from "./landing/command.ts";
import { migrateCommand } from "./migrate/command.ts";
import { redshiftCommand } from "./redshift.ts";
import { run } from "./run/run.ts";
import { runCommand } from "./run/command.ts";

await runProgram("hybridge", async (signal) => {
  let code: number = exitCode.ok;
  const program = new Command("hybridge")
    .description("A hybrid-cloud Kafka pipeline: see README.md")
    .addCommand(
      runCommand(async (options) => {
        code = await run(options, signal);
      }),
    )
    .addCommand(
      localCommand(signal, (exit) => {
        code = exit;
      }),
    );
  program.addCommand(
    redshiftCommand(signal, (exit) => {
      code = exit;
    }),
  );
  program.addCommand(
    landingCommand(signal, (exit) => {
      code = exit;
    }),
  );
  program.addCommand(
    ingestCommand(signal, (exit) => {
      code = exit;
    }),
  );
  program.addCommand(
    migrateCommand((exit) => {
      code = exit;
    }),
  );
  for (const command of family(program)) command.exitOverride();
  try {
    await program.parseAsync();
  } catch (error) {
    // The text has been printed already: help, or what is wrong with the arguments.
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  }
  return code;
});

function* family(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* family(child);
}

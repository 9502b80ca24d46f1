#!/usr/bin/env node
// Runs the command line from a checkout, on whatever Node called this file.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const child = spawn(
  join(root, "node_modules/.bin/node"),
  ["--conditions=@hybridge/source", join(root, "apps/cli/src/main.ts"), ...process.argv.slice(2)],
  { stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

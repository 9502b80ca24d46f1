// Runs every test of the project, in parts, and ends with one line: "N passed, N failed".
//
//   npm test                     all parts but the seeds
//   npm test -- unit e2e         some of them
//   npm test -- all              the seeds too, as CI does: more of what is drawn by chance
//   npm test -- integration -- libs/kafka    integration tests whose path contains the text
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);
const NODE = [process.execPath, "--conditions=@hybridge/source"];

interface Outcome {
  passed: number;
  failed: number;
}

/** What failed, and how long each part took: printed once more at the end, where it is looked for. */
const told: string[] = [];

const parts: Record<string, (only: string) => Promise<Outcome>> = {
  style: () => program("style check", [...NODE, "test/style/main.ts"]),
  unit: () =>
    tests("build, lint, types and unit tests", [
      bin("nx"),
      ...["run-many", "-t", "build", "lint", "typecheck", "test", "breaking"],
      ...["--output-style=static", "--parallel=2"],
    ]),
  integration: (only) => {
    const files = globSync("{apps,libs,deploy,test}/**/*.it.test.ts", {
      cwd: root,
      exclude: (name) => name === "node_modules",
    });
    const wanted = files.filter((file) => file.includes(only)).sort();
    return tests("integration tests on real components", [
      ...NODE,
      "--test",
      // Many of them wait for time-outs most of the time.
      "--test-concurrency=3",
      // What hangs is told by its name.
      "--test-timeout=600000",
      "--test-reporter=spec",
      ...wanted,
    ]);
  },
  e2e: () => program("5,000 posts through everything", [...NODE, "test/e2e/once.ts"]),
  secure: () =>
    program("2,000 posts through everything, secured", [...NODE, "test/e2e/once.ts", "--secure"]),
  seeds: async () => {
    const guard = ["test/guard/main.ts", "--statements", "1000", "--seed", "20261126"];
    const mirror = ["test/fault/main.ts", "mirror", "--runs", "20", "--seed", "1000"];
    const landing = ["test/fault/main.ts", "landing", "--runs", "8", "--seed", "3000"];
    // Integration tests that take minutes.
    const long = globSync("{apps,libs}/*/test/**/*.long.ts", { cwd: root });
    const outcomes = [
      await tests("long tests", [...NODE, "--test", "--test-reporter=spec", ...long]),
      await program("1,000 statements before each engine", [...NODE, ...guard]),
      await program("20 runs of the mirror under faults", [...NODE, ...mirror]),
      await program("8 runs of the landing under faults", [...NODE, ...landing]),
    ];
    return {
      passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
      failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    };
  },
};
/** What only CI runs. */
const THOROUGH = "seeds";

const args = process.argv.slice(2);
const separator = args.indexOf("--");
const given = separator < 0 ? args : args.slice(0, separator);
const names = given.includes("all") ? Object.keys(parts) : given;
const only = separator < 0 ? "" : (args[separator + 1] ?? "");
const unknown = names.filter((name) => !(name in parts));
if (unknown.length > 0) {
  process.stderr.write(
    `npm test: no part called ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}, and all\n`,
  );
  process.exit(2);
}

const total: Outcome = { passed: 0, failed: 0 };
for (const [name, run] of Object.entries(parts)) {
  if (names.length > 0 ? !names.includes(name) : name === THOROUGH) continue;
  const outcome = await run(only);
  total.passed += outcome.passed;
  total.failed += outcome.failed;
}
process.stdout.write(`\n${told.join("\n")}\n${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

/** A program that is one test: it passes when it exits with 0. */
async function program(title: string, command: string[]): Promise<Outcome> {
  const code = await execute(title, command, () => undefined);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Programs that print the closing lines of node:test, which are added up. */
async function tests(title: string, command: string[]): Promise<Outcome> {
  const outcome = { passed: 0, failed: 0 };
  const failures = new Set<string>();
  const code = await execute(title, command, (coloured) => {
    const line = stripVTControlCharacters(coloured).trim();
    if (/^✖ (?!failing tests)|^- @\S+:\w+$|: error TS\d+/.test(line)) failures.add(line);
    const [, word, count] = /^\S+ (pass|fail|cancelled) (\d+)$/.exec(line) ?? [];
    if (word === "pass") outcome.passed += Number(count);
    else if (word !== undefined) outcome.failed += Number(count);
  });
  told.push(...[...failures].map((failure) => `   ${failure}`));
  // A build or lint that fails, or a run without any test, is a failure that no test counts.
  if ((code !== 0 || outcome.passed === 0) && outcome.failed === 0) outcome.failed = 1;
  return outcome;
}

async function execute(
  title: string,
  [file = "", ...rest]: string[],
  onLine: (line: string) => void,
): Promise<number> {
  process.stdout.write(`\n== ${title}\n`);
  const begin = performance.now();
  const child = spawn(file, rest, {
    cwd: root,
    env: { ...process.env, NX_DAEMON: "false", NX_TUI: "false" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    process.stdout.write(`${line}\n`);
    onLine(line);
  });
  const stop = (signal: NodeJS.Signals) => child.kill(signal);
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const code = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve(1);
    });
    child.once("close", (status) => resolve(status ?? 1));
  });
  process.off("SIGINT", stop).off("SIGTERM", stop);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const end = `== ${title}: ${code === 0 ? "ok" : `exit code ${code}`} in ${seconds} s`;
  told.push(end);
  process.stdout.write(`${end}\n`);
  return code;
}

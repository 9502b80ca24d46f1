// The style check: `npm test` runs it first. Each check finds what it looks at by itself, so that a
// new package, error or setting is held to the same standards without being named here.
//
//   node --conditions=@hybridge/source test/style/main.ts           check
//   node --conditions=@hybridge/source test/style/main.ts --write   write docs/settings.md, docs/errors.md, docs/failpoints.md, docs/metrics.md
import { join } from "node:path";
import { checkHabits } from "./habits.ts";
import { checkLayers } from "./layers.ts";
import { checkLengths } from "./lengths.ts";
import { checkMetrics, writeMetrics } from "./metrics.ts";
import { checkNames } from "./names.ts";
import { readRepository, type Problem } from "./repository.ts";
import { checkSettings, writeSettings } from "./settings.ts";
import { checkTables, writeTables } from "./tables.ts";

const repository = readRepository(join(import.meta.dirname, "../.."));
if (process.argv.includes("--write")) {
  writeTables(repository);
  await writeSettings(repository);
  writeMetrics(repository);
}
const problems: Problem[] = [
  ...checkLayers(repository),
  ...checkLengths(repository),
  ...checkNames(repository),
  ...checkHabits(repository),
  ...checkTables(repository),
  ...(await checkSettings(repository)),
  ...checkMetrics(repository),
];
for (const { path, line, text } of problems) {
  process.stdout.write(`${path}${line === undefined ? "" : `:${line}`}  ${text}\n`);
}
const { length } = problems;
process.stdout.write(
  length === 0
    ? `style: ${repository.files.length} files, nothing to complain about\n`
    : `style: ${length} problems\n`,
);
// Modules that configurations import may hold handles.
process.exit(length === 0 ? 0 : 1);

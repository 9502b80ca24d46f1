import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript-6";
import {
  lineOf,
  matchesIn,
  walk,
  type Problem,
  type Repository,
  type TypeScriptFile,
} from "./repository.ts";

/** A table of docs that lists what the sources define. */
interface Table {
  /** For example docs/errors.md; rows may also wait in the files of docs/errors.d. */
  readonly path: string;
  readonly pending: string;
  readonly title: string;
  readonly introduction: string;
  readonly columns: readonly string[];
}

const errors: Table = {
  path: "docs/errors.md",
  pending: "docs/errors.d",
  title: "Errors",
  introduction:
    "Every error that Hybridge raises on purpose has a code. It is in the log line, in the status of " +
    "a gRPC call and in the reason of a degraded service.",
  columns: ["Code", "Class", "When", "What to do"],
};

const failpoints: Table = {
  path: "docs/failpoints.md",
  pending: "docs/failpoints.d",
  title: "Failpoints",
  introduction:
    "Places where a test makes a process kill itself (SIGKILL): `HYBRIDGE_FAILPOINT=name`, or " +
    "`name@3` for the third passage.",
  columns: ["Name", "Where", "What the test proves"],
};

/** Every code of an error class has a row, every row a class; the same for failpoints. */
export function checkTables(repository: Repository): Problem[] {
  return [
    ...compare(repository, errors, errorCodes(repository)),
    ...compare(repository, failpoints, failpointNames(repository)),
  ];
}

/** Assembles both tables from what stands in them and what waits beside them. */
export function writeTables(repository: Repository): void {
  for (const table of [errors, failpoints]) {
    const rows = [...rowsOf(repository, table)].sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = [
      `# ${table.title}`,
      "",
      table.introduction,
      "",
      "<!-- prettier-ignore-start -->",
      "",
      `| ${table.columns.join(" | ")} |`,
      `| ${table.columns.map(() => "---").join(" | ")} |`,
      ...rows.map(([, row]) => row),
      "",
      "<!-- prettier-ignore-end -->",
      "",
    ];
    writeFileSync(join(repository.root, table.path), lines.join("\n"));
  }
}

interface Definition {
  readonly name: string;
  readonly path: string;
  readonly line: number;
}

function compare(repository: Repository, table: Table, defined: readonly Definition[]): Problem[] {
  const rows = rowsOf(repository, table);
  const problems: Problem[] = [];
  const first = new Map<string, Definition>();
  for (const each of defined) {
    const { path, line, name } = each;
    const other = first.get(name);
    if (other)
      problems.push({ path, line, text: `${name} is also in ${other.path}: take another` });
    first.set(name, each);
    if (!rows.has(name)) problems.push({ path, line, text: `${name} has no row in ${table.path}` });
  }
  for (const name of rows.keys()) {
    if (first.has(name)) continue;
    problems.push({ path: table.path, text: `${name} is nowhere in the sources: remove its row` });
  }
  return problems;
}

function rowsOf(repository: Repository, table: Table): Map<string, string> {
  const texts = [textOf(join(repository.root, table.path))];
  const pending = join(repository.root, table.pending);
  for (const name of filesIn(pending)) texts.push(textOf(join(pending, name)));
  const rows = new Map<string, string>();
  for (const line of texts.join("\n").split("\n")) {
    const name = /^\|\s*`?([A-Za-z][\w.-]*)`?\s*\|/.exec(line)?.[1];
    if (name === undefined || name === table.columns[0]) continue;
    // Without the padding that aligns columns: the same row is the same text.
    rows.set(name, line.trim().replace(/\s{2,}/g, " "));
  }
  return rows;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}

/** The codes of shipped error classes: classes whose name ends in Error, with `code = "..."`. */
function errorCodes(repository: Repository): Definition[] {
  return repository.typescript.filter(({ isTest }) => !isTest).flatMap(codesIn);
}

function codesIn(file: TypeScriptFile): Definition[] {
  const found: Definition[] = [];
  walk(file.tree, (node) => {
    if (!ts.isClassLike(node) || !node.heritageClauses) return;
    for (const member of node.members) {
      if (!ts.isPropertyDeclaration(member) || member.name.getText() !== "code") continue;
      const value = member.initializer;
      if (!value || !ts.isStringLiteral(value)) continue;
      const line = lineOf(file, member.getStart());
      found.push({ name: value.text, path: file.path, line });
    }
  });
  return found;
}

/** A failpoint may be passed in several places; its first one counts. */
function failpointNames(repository: Repository): Definition[] {
  const found = new Map<string, Definition>();
  for (const file of repository.typescript) {
    if (file.isTest) continue;
    for (const { line, match } of matchesIn(file, /\bfailpoint\(\s*"([^"]+)"/g)) {
      const name = match[1] ?? "";
      if (!found.has(name)) found.set(name, { name, path: file.path, line });
    }
  }
  return [...found.values()];
}

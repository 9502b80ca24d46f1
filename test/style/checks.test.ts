import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { affectedTests } from "./affected-tests.ts";
import { checkHabits } from "./habits.ts";
import { checkLayers } from "./layers.ts";
import { checkLengths } from "./lengths.ts";
import { checkNames } from "./names.ts";
import { readRepository, type Problem, type Repository } from "./repository.ts";
import { checkSettings, writeSettings } from "./settings.ts";
import { checkTables, writeTables } from "./tables.ts";

// Each check is shown what it must find: a check that finds nothing by mistake looks like success.

const ENV = "process.env";
const HOME = "/home";

function repositoryOf(t: TestContext, files: Readonly<Record<string, string>>): Repository {
  const root = mkdtempSync(join(tmpdir(), "hybridge-style-"));
  t.after(() => rmSync(root, { recursive: true }));
  execFileSync("git", ["init", "-q"], { cwd: root });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return readRepository(root);
}

function pack(name: string, layer: string, dependencies: readonly string[] = []): string {
  return JSON.stringify({
    name,
    type: "module",
    nx: { tags: [`layer:${layer}`] },
    exports: { ".": { "@hybridge/source": "./src/index.ts" } },
    dependencies: Object.fromEntries(dependencies.map((each) => [each, "1"])),
  });
}

function texts(problems: readonly Problem[]): string {
  return problems.map(({ path, line, text }) => `${path}:${line ?? ""} ${text}`).join("\n");
}

test("layers: wrong direction, I/O in domain code, undeclared and reaching imports", (t) => {
  const repository = repositoryOf(t, {
    "libs/wide/package.json": pack("@x/wide", "platform"),
    "libs/pure/package.json": pack("@x/pure", "domain", ["@x/wide"]),
    "libs/pure/src/a.ts":
      'import "node:fs";\nimport "@x/wide";\nimport "zod";\nimport "../../wide/src/b.ts";\nimport "crypto";\nimport "node:crypto";\nimport "./b.ts";\n',
  });
  const found = texts(checkLayers(repository));
  assert.match(found, /a\.ts:1 .*does no I\/O/);
  assert.match(found, /a\.ts:2 .*domain does not import layer platform/);
  assert.match(found, /a\.ts:3 .*zod is not in the dependencies/);
  assert.match(found, /a\.ts:4 .*leaves the package/);
  assert.match(found, /a\.ts:5 write node:crypto/);
  assert.doesNotMatch(found, /a\.ts:[67]/);
});

test("lengths: long functions and files; short closures in a long function are its parts", (t) => {
  const body = (lines: number) => "  f();\n".repeat(lines);
  const closure = (name: string) => `  const ${name} = () => {\n${body(38)}  };\n`;
  const repository = repositoryOf(t, {
    "libs/a/package.json": pack("@x/a", "base"),
    "libs/a/src/long.ts": `function long() {\n${body(70)}}\n`,
    "libs/a/src/short.ts": `function short() {\n${body(68)}}\n`,
    "libs/a/src/parts.ts": `function parts() {\n${closure("a")}${closure("b")}}\n`,
    "libs/a/src/too-many-parts.ts": `function many() {\n${closure("a")}${closure("b")}${closure("c")}}\n`,
    "libs/a/src/file.ts": "f();\n".repeat(501),
  });
  const found = checkLengths(repository).map(({ path }) => path);
  assert.deepEqual(found, [
    "libs/a/src/file.ts",
    "libs/a/src/long.ts",
    "libs/a/src/too-many-parts.ts",
  ]);
});

test("names: kebab-case, and words that say something", (t) => {
  const found = texts(
    checkNames(
      repositoryOf(t, {
        "libs/a/package.json": pack("@x/a", "base"),
        "libs/a/src/someFile.ts": "",
        "libs/a/src/string-utils.ts": "",
        "libs/a/src/fine.ts": "class ConnectionManager {}\nfunction managerOf() {}\n",
        "libs/a/README.md": "",
      }),
    ),
  );
  assert.match(found, /someFile\.ts is not kebab-case/);
  assert.match(found, /string-utils\.ts: "utils" says nothing/);
  assert.match(found, /fine\.ts:1 ConnectionManager/);
  assert.doesNotMatch(found, /fine\.ts:2|README/);
});

test("habits: the environment, silent skips, places of machines", (t) => {
  const found = texts(
    checkHabits(
      repositoryOf(t, {
        "libs/a/package.json": pack("@x/a", "base"),
        "libs/a/src/a.ts": `const a = ${ENV}["X"];\n`,
        "libs/a/src/config.ts": `const a = ${ENV}["X"];\n`,
        "libs/a/test/a.test.ts": `test.only("x");\ntest("y", { skip: true });\ntest("z", { skip: "no Java" });\n${ENV};\n`,
        "libs/a/src/b.ts": `const a = "${HOME}/somebody/x";\n`,
      }),
    ),
  );
  assert.match(found, /src\/a\.ts:1 only config\.ts/);
  assert.match(found, /a\.test\.ts:1 the other tests would not run/);
  assert.match(found, /a\.test\.ts:2 a skipped test prints its reason/);
  assert.match(found, /b\.ts:1 .*path of somebody's machine/);
  assert.equal(found.split("\n").length, 4);
});

test("tables: a code without a row, a row without a code, a code twice; --write assembles", (t) => {
  const error = (name: string, code: string) =>
    `export class ${name} extends Error {\n  readonly code = "${code}";\n}\n`;
  const repository = repositoryOf(t, {
    "libs/a/package.json": pack("@x/a", "base"),
    "libs/a/src/errors.ts":
      error("OneError", "ONE") + error("TwoError", "TWO") + error("AlsoError", "TWO"),
    "libs/a/src/work.ts": 'failpoint("a.here");\nfailpoint("a.there");\n',
    "libs/a/src/testing/fake.ts": error("FakeError", "FAKE"),
    "docs/errors.md": "| Code | Class |\n| --- | --- |\n| GONE | GoneError |\n",
    "docs/errors.d/a.md": "| TWO | TwoError | then | that |\n",
    "docs/failpoints.d/a.md": "| a.here | place | proof |\n",
  });
  const found = texts(checkTables(repository));
  assert.match(found, /errors\.ts:2 ONE has no row/);
  assert.match(found, /errors\.ts:8 TWO is also in/);
  assert.match(found, /docs\/errors\.md: GONE is nowhere/);
  assert.match(found, /work\.ts:2 a\.there has no row/);
  assert.equal(found.split("\n").length, 4);
  writeTables(repository);
  assert.match(
    readFileSync(join(repository.root, "docs/errors.md"), "utf8"),
    /\| TWO \| TwoError \| then \| that \|/,
  );
});

test("settings: the page is what the programs say, and nobody speaks of others", async (t) => {
  const config = `export const settings = { HYBRIDGE_SOME_PORT: { doc: "a | port", schema: { safeParse: () => ({ success: true, data: 7 }) } } };\n`;
  const repository = repositoryOf(t, {
    "apps/a/package.json": pack("@x/a", "app"),
    "apps/a/src/config.ts": config,
    "docs/README.md": "",
    "apps/a/src/a.ts": '"HYBRIDGE_SOME_PORT HYBRIDGE_SOME HYBRIDGE_SOME_PROT"',
  });
  const found = texts(await checkSettings(repository));
  assert.match(found, /settings\.md: is not what/);
  assert.match(found, /a\.ts:1 HYBRIDGE_SOME_PROT is a setting of no program/);
  assert.equal(found.split("\n").length, 2);
  await writeSettings(repository);
  const page = readFileSync(join(repository.root, "docs/settings.md"), "utf8");
  assert.match(page, /## a\n[^]*\| `HYBRIDGE_SOME_PORT` \| `7` \| a \\\| port \|/);
  assert.equal((await checkSettings(repository)).length, 1);
});

test("a change runs the tests that reach it, nearest first, over packages too", (t) => {
  const { root } = repositoryOf(t, {
    "libs/a/package.json": pack("@x/a", "base"),
    "libs/a/src/index.ts": 'export { deep } from "./deep.ts";',
    "libs/a/src/deep.ts": "",
    "libs/a/src/other.ts": "",
    "libs/a/test/other.test.ts": 'import "../src/other.ts";',
    "libs/a/test/deep.test.ts": 'import { deep } from "../src/deep.ts";',
    "libs/a/test/deep.it.test.ts": 'import { deep } from "../src/deep.ts";',
    "apps/b/package.json": pack("@x/b", "app"),
    "apps/b/src/main.ts": 'import { deep } from "@x/a";',
    "apps/b/test/main.test.ts": 'await import("../src/main.ts");',
  });
  const a = "libs/a/test/deep.test.ts";
  const b = "apps/b/test/main.test.ts";
  assert.deepEqual(affectedTests(root, ["libs/a/src/deep.ts"]), [a, b]);
  assert.deepEqual(affectedTests(root, ["libs/a/src/other.ts"]), ["libs/a/test/other.test.ts"]);
  assert.deepEqual(affectedTests(root, [b]), [b]);
  assert.deepEqual(affectedTests(root, ["docs/x.md", "libs/a/README.md"]), []);
  assert.equal(affectedTests(root, ["libs/a/package.json"]).length, 3);
});

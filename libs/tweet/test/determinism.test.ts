import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript-6";
import { readEverything } from "./print-rows.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "hybridge-tweet-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function read(node: string, args: readonly string[], env: Record<string, string>): unknown {
  const output = execFileSync(node, [...args, "print"], { env, encoding: "utf8" });
  return JSON.parse(output) as unknown;
}

const places = [
  { TZ: "America/New_York", LANG: "en_US.UTF-8" },
  { TZ: "Asia/Kathmandu", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" },
  { TZ: "Pacific/Apia", LC_ALL: "C" },
];

test("the same bytes give the same rows in any time zone and locale", () => {
  const here_ = readEverything();
  assert.ok(here_.count > 100);
  for (const place of places) {
    const args = ["--conditions=@hybridge/source", join(here, "print-rows.ts")];
    assert.deepEqual(read(process.execPath, args, place), here_, JSON.stringify(place));
  }
});

/** Another version of Node on the PATH: machines have one beside the pinned one. */
function otherNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders
    .map((folder) => join(folder, "node"))
    .find((path) => {
      if (!existsSync(path)) return false;
      const version = execFileSync(path, ["--version"], { encoding: "utf8" }).trim();
      return version !== process.version && Number(/^v(\d+)/.exec(version)?.[1]) >= 20;
    });
}

/** The sources without their types, since older versions of Node cannot leave them out. */
function compile(folder: string): void {
  mkdirSync(join(scratch, folder));
  for (const name of readdirSync(join(here, "..", folder)).filter((each) => each.endsWith(".ts"))) {
    const source = readFileSync(join(here, "..", folder, name), "utf8");
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(join(scratch, folder, name.replace(/ts$/, "js")), outputText);
  }
}

const other = otherNode();

test(
  "the same bytes give the same rows under another version of Node",
  { skip: other === undefined ? `no Node but ${process.version} on the PATH` : false },
  () => {
    writeFileSync(join(scratch, "package.json"), '{"type":"module"}');
    compile("src");
    compile("test");
    cpSync(join(here, "fixtures"), join(scratch, "test", "fixtures"), { recursive: true });
    const program = join(scratch, "test", "print-rows.js");
    assert.deepEqual(read(other ?? "", [program], { TZ: "Asia/Kathmandu" }), readEverything());
  },
);

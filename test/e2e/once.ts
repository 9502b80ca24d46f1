// The main job with 5,000 posts, as the README gives it, and a check of what it says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";

const POSTS = 5_000;
const root = join(import.meta.dirname, "../..");

const child = spawn(
  process.execPath,
  [
    "--conditions=@hybridge/source",
    "apps/cli/src/main.ts",
    ...["run", "--once", "--posts", String(POSTS)],
  ],
  { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
);
let output = "";
child.stdout.setEncoding("utf8").on("data", (text: string) => {
  output += text;
  process.stdout.write(text);
});
const code = await new Promise<number | null>((resolve) => child.once("close", resolve));

const last = output.trimEnd().split("\n").at(-1) ?? "";
const { seconds, ...counts } = JSON.parse(last) as Record<string, unknown>;
assert.deepEqual(counts, {
  ingested: POSTS,
  source: POSTS,
  target: POSTS,
  hive: POSTS,
  s3: POSTS,
  redshift: POSTS,
  distinctIds: POSTS,
  reconciled: true,
});
assert.equal(typeof seconds, "number");
assert.equal(code, 0, "exit code");

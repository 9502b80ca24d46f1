// The main job as the README gives it, and a check of what it says: 5,000 posts, or 2,000 with
// --secure, over TLS with logins and exactly the rights that docs/security.md lists.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";

const secure = process.argv.includes("--secure");
const POSTS = secure ? 2_000 : 5_000;
const root = join(import.meta.dirname, "../..");

const child = spawn(
  process.execPath,
  [
    "--conditions=@hybridge/source",
    "apps/cli/src/main.ts",
    ...["run", "--once", "--posts", String(POSTS)],
    ...(secure ? ["--secure"] : []),
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

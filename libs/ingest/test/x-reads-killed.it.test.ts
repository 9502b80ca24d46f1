import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const child = fileURLToPath(new URL("x-reads-child.ts", import.meta.url));

async function run(dir: string, count: number, failpoint: string) {
  const args = ["--conditions=@hybridge/source", child, dir, String(count)];
  const env = { PATH: process.env["PATH"], HYBRIDGE_FAILPOINT: failpoint };
  const started = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const [code, signal] = (await once(started, "close")) as [number | null, string | null];
  return signal ?? code;
}

test("killed wherever a count is written, a month never holds more posts than its bound", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-reads-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const handedOn = () => readFileSync(join(dir, "handed-on"), "utf8").length / 2;
  const counted = () =>
    (JSON.parse(readFileSync(join(dir, "reads.json"), "utf8")) as { reads: number }).reads;
  let kills = 0;
  for (const point of ["ingest.reads.before-rename@3", "ingest.reads.written@4"]) {
    for (let round = 0; round < 3; round++) {
      assert.equal(await run(dir, 2_000, point), "SIGKILL", point);
      kills += 1;
      // A lease is a hundredth of the bound, and one may be charged for nothing at each kill.
      assert.ok(counted() >= handedOn() && counted() <= handedOn() + 11 * kills);
    }
  }
  assert.equal(await run(dir, 2_000, ""), 0);
  assert.ok(handedOn() <= 1_000 && handedOn() >= 1_000 - 11 * kills, `${handedOn()} handed on`);
  assert.equal(counted(), 1_000);
});

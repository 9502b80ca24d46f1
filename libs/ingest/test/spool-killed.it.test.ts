import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { folder } from "./ingest-into.ts";

/** More than is kept until the last failpoint has killed. */
const COUNT = 5_000;
const child = fileURLToPath(new URL("spool-child.ts", import.meta.url));

/** @returns how it ended */
async function run(dir: string, count: number, failpoint: string) {
  const args = ["--conditions=@hybridge/source", child, dir, String(count)];
  const env = { PATH: process.env["PATH"], HYBRIDGE_FAILPOINT: failpoint };
  const process_ = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const [code, signal] = (await once(process_, "close")) as [number | null, string | null];
  return signal ?? code;
}

const points: readonly string[] = [
  "spool.owner-written",
  "spool.frame-written@40",
  "spool.frame-synced@40",
  "spool.snapshot-written@3",
  "spool.segment-created@3",
  "spool.before-acknowledged",
  "spool.after-acknowledged@20",
  "spool.segment-removed@4",
];

test("killed at every failpoint, each number is kept and handed on once", async (t) => {
  const dir = folder(t);
  for (const point of points) {
    assert.equal(await run(dir, COUNT, point), "SIGKILL", `${point} was passed`);
  }
  assert.equal(await run(dir, COUNT, ""), 0);
  const told = existsSync(join(dir, "told")) ? readFileSync(join(dir, "told"), "utf8") : "";
  const highest = Math.max(...told.trimEnd().split("\n").map(Number));
  const byOrdinal = new Map<number, string>();
  for (const line of readFileSync(join(dir, "delivered"), "utf8").trimEnd().split("\n")) {
    const [ordinal = "", number = ""] = line.split(" ");
    const known = byOrdinal.get(Number(ordinal));
    assert.ok(
      known === undefined || known === number,
      `ordinal ${ordinal} is ${known} and ${number}`,
    );
    byOrdinal.set(Number(ordinal), number);
  }
  const numbers = [...byOrdinal.keys()].sort((one, other) => one - other);
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, at) => at),
    "ordinals are dense",
  );
  const delivered = numbers.map((ordinal) => Number(byOrdinal.get(ordinal)));
  assert.deepEqual(
    delivered,
    Array.from(delivered, (_, at) => at),
    "each number once, in order",
  );
  assert.ok(delivered.length >= highest, "what was told to be kept is there");
});

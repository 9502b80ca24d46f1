import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { identify, isAlive } from "../src/process-identity.ts";

/** Starts a program that hands over, by runChild, to another one; both are scripts of ours. */
function handOver(script: string): ChildProcess {
  const module = JSON.stringify(import.meta.resolve("../setup/run-child.mjs"));
  const wrapper = `import { runChild } from ${module};
    const args = ["--input-type=module", "-e", ${JSON.stringify(script)}];
    process.exitCode = await runChild(process.execPath, args, {});`;
  return spawn(process.execPath, ["--input-type=module", "-e", wrapper], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function line(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return chunk.toString().trim();
}

/** Tells its pid, counts the SIGINTs of its first half second, and ends with their number. */
const COUNTS_SIGNALS = `
  let count = 0;
  process.on("SIGINT", () => {
    count += 1;
    setTimeout(() => process.exit(40 + count), 500);
  });
  setInterval(() => {}, 1000);
  process.stdout.write(String(process.pid));`;

test("the exit code passes through", async () => {
  const [code] = (await once(handOver("process.exit(7)"), "exit")) as [number];
  assert.equal(code, 7);
});

test("an end by a signal becomes 128 and its number", async () => {
  const [code] = (await once(handOver("process.kill(process.pid, 'SIGKILL')"), "exit")) as [number];
  assert.equal(code, 137);
});

test("the two SIGINTs of one Ctrl-C under npm reach the program as one", async () => {
  const wrapper = handOver(COUNTS_SIGNALS);
  await line(wrapper);
  wrapper.kill("SIGINT");
  await delay(50);
  wrapper.kill("SIGINT");
  const [code] = (await once(wrapper, "exit")) as [number];
  assert.equal(code, 41);
});

test("when the wrapper is killed the program is told, and ends", async () => {
  const wrapper = handOver(`process.once("disconnect", () => process.exit(0)); ${COUNTS_SIGNALS}`);
  const program = identify(Number(await line(wrapper)));
  assert.ok(program !== undefined && isAlive(program));
  wrapper.kill("SIGKILL");
  while (isAlive(program)) await delay(20);
});

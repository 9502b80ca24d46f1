import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { FolderInUseError } from "../src/errors.ts";
import { launch, type LaunchSpec } from "../src/launch.ts";
import { identify, isAlive, type ProcessIdentity } from "../src/process-identity.ts";
import { readPidFile } from "../src/pid-file.ts";

function folder(): { dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-launch-"));
  return {
    dir,
    [Symbol.dispose]: () => {
      rmSync(dir, { recursive: true, maxRetries: 5 });
    },
  };
}

function shell(dir: string, script: string, stopMs = 2_000): LaunchSpec {
  return {
    name: "thing",
    command: "/bin/sh",
    args: ["-c", script],
    env: { PATH: process.env["PATH"] ?? "", COLOUR: "green" },
    cwd: dir,
    logFile: join(dir, "thing.log"),
    pidFile: join(dir, "thing.pid"),
    stopMs,
  };
}

async function gone(identity: ProcessIdentity | undefined): Promise<void> {
  while (identity !== undefined && isAlive(identity)) await delay(20);
}

test("the process has the given environment only, and its output goes to the log", async () => {
  using work = folder();
  const running = await launch(shell(work.dir, 'echo "$COLOUR $HYBRIDGE_WATCH_TENTHS."; exit 7'));
  assert.deepEqual(await running.exited, { code: 7, signal: null });
  assert.equal(readFileSync(join(work.dir, "thing.log"), "utf8"), "green .\n");
  await running.stop();
});

test("stop ends it with SIGTERM and removes the pid file", async () => {
  using work = folder();
  const running = await launch(shell(work.dir, "exec sleep 600"));
  assert.equal(readPidFile(join(work.dir, "thing.pid"))?.process.pid, running.identity.pid);
  await running.stop();
  assert.deepEqual(running.exit, { code: null, signal: "SIGTERM" });
  assert.equal(readPidFile(join(work.dir, "thing.pid")), undefined);
});

test("one that ignores SIGTERM is killed, with its children", async () => {
  using work = folder();
  const script = 'trap "" TERM; sleep 600 & echo $!; while true; do sleep 0.05; done';
  const running = await launch(shell(work.dir, script, 300));
  let child: ProcessIdentity | undefined;
  while (child === undefined) {
    await delay(10);
    child = identify(Number(readFileSync(join(work.dir, "thing.log"), "utf8")));
  }
  await running.stop();
  assert.equal(running.exit?.signal, "SIGKILL");
  await gone(child);
});

test("a second one in the same folder is refused as long as the first one's owner lives", async () => {
  using work = folder();
  const running = await launch(shell(work.dir, "exec sleep 600"));
  await assert.rejects(launch(shell(work.dir, "exec sleep 600")), FolderInUseError);
  await running.stop();
  const next = await launch(shell(work.dir, "exec sleep 600"));
  await next.stop();
});

test("when the owner is killed with SIGKILL, nothing of it is left", async (t) => {
  using work = folder();
  const spec = shell(work.dir, 'trap "" TERM; sleep 600 & wait; wait', 300);
  const owner = spawn(
    process.execPath,
    [
      "--conditions=@hybridge/source",
      "--input-type=module",
      "-e",
      `import { launch } from ${JSON.stringify(import.meta.resolve("../src/launch.ts"))};
       const running = await launch(${JSON.stringify(spec)});
       process.stdout.write(String(running.identity.pid));
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  t.after(() => owner.kill("SIGKILL"));
  const [line] = (await once(owner.stdout, "data")) as [Buffer];
  const identity = identify(Number(line.toString()));
  assert.ok(identity !== undefined && isAlive(identity));
  owner.kill("SIGKILL");
  await once(owner, "exit");
  await gone(identity);
  // The next start in the folder waits for that end and goes on.
  const next = await launch(shell(work.dir, "exit 0"));
  assert.equal((await next.exited).code, 0);
});

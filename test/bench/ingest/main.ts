import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { exitCode } from "@hybridge/core";
import { startKafka } from "@hybridge/local";
import { postAt } from "@hybridge/tweet";
import { describeMachine, machineLines } from "../mirror/machine.ts";
import { cpuSeconds, rssPeakMb } from "../mirror/process-usage.ts";

const USAGE = `npm run bench -- ingest [--lines 1000000] [--only good|bad] [--root FOLDER]

Replays a file of good lines and a file of bad ones into a Kafka broker of its own, one after the other,
as fast as it goes. --root: another checkout, whose ingest is measured instead.
`;

const kinds: Readonly<Record<string, (index: number) => string>> = {
  good: (index) => postAt(1, index, Date.UTC(2026, 0, 1)).json,
  bad: (index) => `{"text":"line ${index} has no id","n":${index}}`,
};

/** @returns 0 when both files were read to their ends */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      lines: { type: "string", default: "1000000" },
      root: { type: "string", default: process.cwd() },
      only: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const lines = Number(values.lines);
  if (values.help || !Number.isSafeInteger(lines) || lines < 1) {
    process.stdout.write(USAGE);
    return values.help ? exitCode.ok : exitCode.usage;
  }
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-ingest-"));
  const kafka = await startKafka({ dir: join(dir, "kafka") });
  try {
    process.stdout.write(`${machineLines(describeMachine())}\n`);
    for (const [kind, line] of Object.entries(kinds)) {
      if (values.only !== undefined && values.only !== kind) continue;
      const file = join(dir, `${kind}.ndjson`);
      await writeLines(file, lines, line);
      const run = await replay(values.root, {
        HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
        HYBRIDGE_TOPIC: kind,
        HYBRIDGE_REPLAY_FILES: file,
        // With bad lines only, one post of the generator ends the replay.
        HYBRIDGE_REPLAY_POSTS: kind === "good" ? String(lines) : "1",
        HYBRIDGE_REPLAY_RATE: "0",
        HYBRIDGE_DEAD_LETTER_DIR: join(dir, "dead-letters"),
        HYBRIDGE_SPOOL_DIR: join(dir, "spool"),
      });
      const megabytes = Math.round(statSync(file).size / 1e6);
      process.stdout.write(
        `${kind}: ${lines} lines, ${megabytes} MB, ${run.seconds.toFixed(1)} s, ` +
          `${Math.round(lines / run.seconds)} lines/s, ${run.cpu.toFixed(1)} CPU s, ` +
          `${Math.round(run.peakMb)} MiB at most\n`,
      );
    }
    return exitCode.ok;
  } finally {
    await kafka.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function writeLines(path: string, count: number, line: (index: number) => string) {
  const file = createWriteStream(path);
  for (let first = 0; first < count; first += 1_000) {
    const length = Math.min(1_000, count - first);
    const text = Array.from({ length }, (_, at) => `${line(first + at)}\n`).join("");
    if (!file.write(text)) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}

/** From the start of the process to DONE; what it needs to start is in it. */
async function replay(root: string, env: Readonly<Record<string, string>>) {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      "--conditions=@hybridge/source",
      "--import",
      "@hybridge/tracing/preload",
      "apps/ingest/src/main.ts",
    ],
    {
      cwd: root,
      env: { PATH: process.env["PATH"], HYBRIDGE_TRACE_RATIO: "0", ...env },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const ended = once(child, "close");
  try {
    for await (const line of createInterface(child.stderr)) {
      if (!/"state":"DONE"/.test(line)) continue;
      const seconds = (performance.now() - began) / 1000;
      const pid = child.pid ?? 0;
      return { seconds, cpu: cpuSeconds(pid), peakMb: rssPeakMb(pid) };
    }
    throw new Error("ingest ended before it was done");
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

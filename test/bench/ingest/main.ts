import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { exitCode, serviceEnvironment, serviceFlags } from "@hybridge/core";
import { ensureTopic } from "@hybridge/kafka";
import { startKafka } from "@hybridge/local";
import { postAt } from "@hybridge/tweet";
import { describeMachine, machineLines } from "../mirror/machine.ts";
import { cpuSeconds, rssPeakMb } from "../mirror/process-usage.ts";
import { runKafkajs, runProducerPerformance, runSpool, type Run } from "./peers.ts";

const USAGE = `npm run bench -- ingest [--lines 1000000] [--only NAME,...] [--root FOLDER]

Into a Kafka broker of its own, one after the other, as fast as it goes, acks=all, without compression:

  spool       the spool alone: kept, read again and acknowledged, without Kafka
  kafkajs     kafkajs alone: a file of posts
  java        Kafka's ProducerPerformance: the values of the same file
  generator   ingest: generated posts, the same ones, through its spool
  file        ingest: the same file, through its spool
  bad         ingest: a file of lines that are no posts

--root: another checkout, whose ingest is measured instead.
`;

const names = ["spool", "kafkajs", "java", "generator", "file", "bad"] as const;
type Name = (typeof names)[number];

const SEED = 1;
const EPOCH = "2026-01-01T00:00:00Z";

const kinds = {
  good: (index: number) => postAt(SEED, index, Date.parse(EPOCH)).json,
  bad: (index: number) => `{"text":"line ${index} has no id","n":${index}}`,
};

/** @returns 0 when everything was read to its end */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      lines: { type: "string", default: "1000000" },
      root: { type: "string", default: process.cwd() },
      only: { type: "string", default: names.join(",") },
      help: { type: "boolean", default: false },
    },
  });
  const lines = Number(values.lines);
  const wanted = values.only.split(",") as Name[];
  const isKnown = wanted.every((name) => names.includes(name));
  if (values.help || !isKnown || !Number.isSafeInteger(lines) || lines < 1) {
    process.stdout.write(USAGE);
    return values.help ? exitCode.ok : exitCode.usage;
  }
  const dir = mkdtempSync(join(tmpdir(), "hybridge-bench-ingest-"));
  const kafka = await startKafka({ dir: join(dir, "kafka") });
  try {
    process.stdout.write(`${machineLines(describeMachine())}\n`);
    for (const kind of ["good", "bad"] as const) {
      const isNeeded = wanted.some((name) => (name === "bad") === (kind === "bad"));
      if (isNeeded) await writeLines(join(dir, kind), lines, kinds[kind]);
    }
    for (const name of wanted) {
      const { bootstrap } = kafka.addresses;
      const run = await measure(name, { dir, bootstrap, lines, root: values.root });
      process.stdout.write(
        `${name}: ${lines} lines, ${run.seconds.toFixed(1)} s, ` +
          `${Math.round(lines / run.seconds)} lines/s, ${run.cpu.toFixed(1)} CPU s, ` +
          `${Math.round(run.peakMb)} MiB at most, load ${loadavg()[0]?.toFixed(1)}\n`,
      );
    }
    return exitCode.ok;
  } finally {
    await kafka.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Setting {
  readonly dir: string;
  readonly bootstrap: string;
  readonly lines: number;
  readonly root: string;
}

async function measure(name: Name, { dir, bootstrap, lines, root }: Setting): Promise<Run> {
  if (name === "spool") return await runSpool(join(dir, "spool-alone"), lines);
  const cluster = { bootstrap, clientId: "bench" };
  const { signal } = new AbortController();
  await ensureTopic(cluster, { topic: name, partitions: 6 }, signal);
  const good = join(dir, "good");
  const peer = { bootstrap, topic: name, file: good, posts: lines };
  if (name === "kafkajs") return await runKafkajs(peer);
  if (name === "java") return await runProducerPerformance(peer);
  const files = { generator: "", file: good, bad: join(dir, "bad") }[name];
  return await replay(root, {
    HYBRIDGE_SOURCE_BOOTSTRAP: bootstrap,
    HYBRIDGE_TOPIC: name,
    HYBRIDGE_COMPRESSION: "none",
    HYBRIDGE_REPLAY_FILES: files,
    HYBRIDGE_REPLAY_SEED: String(SEED),
    HYBRIDGE_REPLAY_EPOCH: EPOCH,
    // With bad lines only, one post of the generator ends the replay.
    HYBRIDGE_REPLAY_POSTS: name === "bad" ? "1" : String(lines),
    HYBRIDGE_REPLAY_RATE: "0",
    HYBRIDGE_DEAD_LETTER_DIR: join(dir, "dead-letters"),
    HYBRIDGE_SPOOL_DIR: join(dir, "spool"),
  });
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

/** From when it serves to DONE: reaching the cluster, the take-over and the end are in it. */
async function replay(root: string, env: Readonly<Record<string, string>>): Promise<Run> {
  let began = 0;
  const child = spawn(process.execPath, [...serviceFlags, "apps/ingest/src/main.ts"], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...serviceEnvironment, HYBRIDGE_TRACE_RATIO: "0", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "close");
  try {
    for await (const line of createInterface(child.stderr)) {
      if (/"event":"service\.listening"/.test(line)) began = performance.now();
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

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cacheDir } from "@hybridge/local";
import { cpuSeconds, rssPeakMb } from "../mirror/process-usage.ts";

/** What a contestant took for all posts. */
export interface Run {
  readonly seconds: number;
  readonly cpu: number;
  readonly peakMb: number;
}

export interface PeerInput {
  readonly bootstrap: string;
  readonly topic: string;
  /** A post a line. */
  readonly file: string;
  readonly posts: number;
}

/** kafkajs alone, counted from its first send. */
export function runKafkajs({ bootstrap, topic, file }: PeerInput): Promise<Run> {
  return runScript("kafkajs-producer.ts", [bootstrap, topic, file]);
}

/** The spool alone, without Kafka. */
export function runSpool(dir: string, posts: number): Promise<Run> {
  return runScript("spool-alone.ts", [dir, String(posts)]);
}

/** A script that prints its seconds, and waits for a line before it ends. */
async function runScript(name: string, args: readonly string[]): Promise<Run> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@hybridge/source", script, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  for await (const line of createInterface(child.stdout)) {
    const pid = child.pid ?? 0;
    const run = { seconds: Number(line), cpu: cpuSeconds(pid), peakMb: rssPeakMb(pid) };
    child.stdin.end("\n");
    await ended;
    return run;
  }
  throw new Error(`${name} ended before it was done`);
}

/**
 * Kafka's own ProducerPerformance, which takes values from a file and has no keys: its rate is what it
 * prints itself, from its first send on.
 */
export async function runProducerPerformance(input: PeerInput): Promise<Run> {
  const { bootstrap, topic, file, posts } = input;
  const child = spawn(
    "java",
    [
      "-Xmx512m",
      ...["-cp", join(cacheDir(), "components/kafka/*")],
      "org.apache.kafka.tools.ProducerPerformance",
      ...["--topic", topic, "--num-records", String(posts), "--throughput", "-1"],
      ...["--payload-file", file, "--producer-props", `bootstrap.servers=${bootstrap}`],
      ...["acks=all", "linger.ms=20", "batch.size=262144", "compression.type=none"],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  const pid = child.pid ?? 0;
  let cpu = 0;
  let peakMb = 0;
  const watch = setInterval(() => {
    try {
      cpu = cpuSeconds(pid);
      peakMb = Math.max(peakMb, rssPeakMb(pid));
    } catch {
      // It has just ended.
    }
  }, 50);
  const ended = once(child, "close");
  let rate = 0;
  for await (const line of createInterface(child.stdout)) {
    const match = /^(\d+) records sent, ([\d.]+) records\/sec .* 99th/.exec(line);
    if (match) rate = Number(match[2]);
  }
  await ended;
  clearInterval(watch);
  if (rate === 0) throw new Error("ProducerPerformance ended without a result");
  return { seconds: posts / rate, cpu, peakMb };
}

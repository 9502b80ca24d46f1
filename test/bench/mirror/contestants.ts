import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDir } from "@hybridge/local";
import type { Shape } from "./shapes.ts";

/** A mirror at work. */
export interface Contestant extends AsyncDisposable {
  readonly pid: number;
  readonly targetTopic: string;
}

export interface Contest {
  readonly source: string;
  readonly target: string;
  readonly topic: string;
  readonly shape: Shape;
  readonly round: number;
  readonly dir: string;
}

export function startHybridge(contest: Contest): Contestant {
  const { source, target, topic, round, dir } = contest;
  const main = fileURLToPath(new URL("../../../apps/mirror/src/main.ts", import.meta.url));
  const prefix = `hybridge-${round}-`;
  const env = {
    HYBRIDGE_SOURCE_BOOTSTRAP: source,
    HYBRIDGE_TARGET_BOOTSTRAP: target,
    HYBRIDGE_TOPICS: topic,
    HYBRIDGE_TARGET_PREFIX: prefix,
    HYBRIDGE_MIRROR_ID: `bench-${topic}-${round}`,
  };
  const args = ["--conditions=@hybridge/source", "--import", "@hybridge/tracing/preload", main];
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("HYBRIDGE_"));
  return run(process.execPath, args, { ...env, ...Object.fromEntries(given) }, dir, {
    name: `hybridge-${topic}-${round}`,
    targetTopic: prefix + topic,
  });
}

/**
 * MirrorMaker 2 of the brokers' own version, in dedicated mode, tuned for throughput: large
 * fetches, large batches in the source's compression, as many tasks as the machine has cores, one
 * GiB of heap, and nothing that it would do beside mirroring.
 */
export function startMirrorMaker(contest: Contest): Contestant {
  const { source, target, topic, shape, round, dir } = contest;
  const alias = `mm2${round}`;
  mkdirSync(dir, { recursive: true });
  const file = join(dir, `mm2-${topic}-${round}.properties`);
  const settings = {
    clusters: `${alias}, target`,
    [`${alias}.bootstrap.servers`]: source,
    "target.bootstrap.servers": target,
    [`${alias}->target.enabled`]: "true",
    [`${alias}->target.topics`]: topic,
    [`target->${alias}.enabled`]: "false",
    "tasks.max": "2",
    "replication.factor": "1",
    "offset-syncs.topic.replication.factor": "1",
    "checkpoints.topic.replication.factor": "1",
    "heartbeats.topic.replication.factor": "1",
    "config.storage.replication.factor": "1",
    "offset.storage.replication.factor": "1",
    "status.storage.replication.factor": "1",
    "emit.heartbeats.enabled": "false",
    "emit.checkpoints.enabled": "false",
    "sync.topic.configs.enabled": "false",
    "sync.topic.acls.enabled": "false",
    "refresh.topics.interval.seconds": "5",
    "dedicated.mode.enable.internal.rest": "false",
    [`${alias}.consumer.max.poll.records`]: "20000",
    [`${alias}.consumer.fetch.max.bytes`]: "52428800",
    [`${alias}.consumer.max.partition.fetch.bytes`]: "4194304",
    [`${alias}.consumer.fetch.min.bytes`]: "1",
    [`${alias}.consumer.receive.buffer.bytes`]: "1048576",
    "target.producer.batch.size": "262144",
    "target.producer.linger.ms": "20",
    "target.producer.buffer.memory": "134217728",
    "target.producer.max.request.size": "4194304",
    "target.producer.compression.type": shape.compression,
    "target.producer.send.buffer.bytes": "1048576",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  const args = [
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-cp",
    join(cacheDir(), "components/kafka/*"),
    "org.apache.kafka.connect.mirror.MirrorMaker",
    file,
  ];
  return run("java", args, {}, dir, {
    name: `mm2-${topic}-${round}`,
    targetTopic: `${alias}.${topic}`,
  });
}

function run(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  dir: string,
  { name, targetTopic }: { name: string; targetTopic: string },
): Contestant {
  mkdirSync(dir, { recursive: true });
  const log = openSync(join(dir, `${name}.log`), "w");
  const child: ChildProcess = spawn(command, args, {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = once(child, "exit");
  return {
    pid: child.pid ?? 0,
    targetTopic,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

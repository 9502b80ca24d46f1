import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What MirrorMaker 2 is tuned for. */
export type MirrorMakerAim =
  { readonly for: "throughput"; readonly compression: string } | { readonly for: "latency" };

/** Of both: nothing that it would do beside mirroring, and as many tasks as the machine has cores. */
const ALWAYS = {
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
} as const;

const CONSUMER = {
  "max.poll.records": "20000",
  "fetch.max.bytes": "52428800",
  "max.partition.fetch.bytes": "4194304",
  "fetch.min.bytes": "1",
  "receive.buffer.bytes": "1048576",
} as const;

const PRODUCER = {
  "batch.size": "262144",
  "buffer.memory": "134217728",
  "max.request.size": "4194304",
  "send.buffer.bytes": "1048576",
} as const;

function producerSettings(aim: MirrorMakerAim): Record<string, string> {
  return aim.for === "throughput"
    ? { ...PRODUCER, "linger.ms": "20", "compression.type": aim.compression }
    : { ...PRODUCER, "linger.ms": "0", "compression.type": "lz4" };
}

/** The tuning in a few lines, for whoever reads the numbers. */
export function mirrorMakerLines(): string {
  const list = (settings: Record<string, string>) =>
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(" ");
  return [
    "MirrorMaker 2, dedicated mode, -Xmx1g -XX:+UseG1GC, tasks.max=2, no heartbeats, checkpoints and syncs of settings",
    `  consumer    ${list(CONSUMER)}`,
    `  producer    ${list(PRODUCER)}`,
    "  throughput  linger.ms=20 compression.type=as the source",
    "  latency     linger.ms=0 compression.type=lz4",
  ].join("\n");
}

/** @returns the path of the properties file */
export function writeMirrorMakerConfig(
  at: { source: string; target: string; topic: string; alias: string; dir: string },
  aim: MirrorMakerAim,
): string {
  const { source, target, topic, alias, dir } = at;
  const settings: Record<string, string> = {
    clusters: `${alias}, target`,
    [`${alias}.bootstrap.servers`]: source,
    "target.bootstrap.servers": target,
    [`${alias}->target.enabled`]: "true",
    [`${alias}->target.topics`]: topic,
    [`target->${alias}.enabled`]: "false",
    ...ALWAYS,
    ...prefixed(`${alias}.consumer.`, CONSUMER),
    ...prefixed("target.producer.", producerSettings(aim)),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  mkdirSync(dir, { recursive: true });
  const file = join(dir, `${alias}-${topic}.properties`);
  writeFileSync(file, lines.join(""));
  return file;
}

function prefixed(prefix: string, settings: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [prefix + name, value]),
  );
}

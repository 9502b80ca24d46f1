import { mkdirSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  pidFileOf,
  runToEnd,
  startComponent,
  type Component,
  type ComponentOptions,
} from "./component.ts";
import { javaCommand, javaEnvironment, type JavaProgram } from "./java.ts";
import { probeKafka } from "./probes.ts";
import { choosePorts } from "./ports.ts";
import { reclaim } from "./launch.ts";
import { scramArguments, securedBroker } from "./kafka-security.ts";
import type { CloudSecurity } from "./security.ts";

export interface KafkaOptions extends ComponentOptions<"broker" | "controller"> {
  /** Default "kafka". */
  readonly name?: string;
  /** Broker settings that come on top of (and before) ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** With it the broker wants TLS and a login, and grants nothing that no ACL grants. */
  readonly security?: CloudSecurity;
  /** Further JVM options; ["-XX:TieredStopAtLevel=4"] when the broker's own speed is measured. */
  readonly jvm?: readonly string[];
}

/** `bootstrap` is host:port. */
export type Kafka = Component<{ readonly bootstrap: string }>;

const STOP_MS = 8_000;

/**
 * Starts one Kafka broker that is its own KRaft controller. It keeps records for ever (they may
 * carry timestamps of years ago) and makes no topics by itself.
 */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const name = options.name ?? "kafka";
  await reclaim(pidFileOf(options.dir, name), name, STOP_MS);
  const ports = await choosePorts(name, options.dir, ["broker", "controller"], options.ports);
  const conf = join(options.dir, "conf");
  mkdirSync(conf, { recursive: true });
  const properties = join(conf, "server.properties");
  const { security } = options;
  const settings = {
    ...serverSettings(join(options.dir, "data"), ports),
    ...(security === undefined ? {} : securedBroker(security, ports)),
    ...options.settings,
  };
  writeFileSync(properties, lines(settings), { mode: 0o600 });
  writeFileSync(join(conf, "log4j2.properties"), LOGGING);
  const program: Omit<JavaProgram, "main"> = {
    name,
    component: "kafka",
    before: [conf],
    heapMb: options.heapMb ?? 384,
    tmpDir: join(options.dir, "tmp"),
    options: [
      `-Dlog4j2.configurationFile=${join(conf, "log4j2.properties")}`,
      ...(options.jvm ?? []),
    ],
  };
  const common = { dir: options.dir, env: javaEnvironment(), stopMs: STOP_MS };
  await format(options, program, properties, common);
  return startComponent(
    {
      ...common,
      name,
      addresses: { bootstrap: `127.0.0.1:${ports.broker}` },
      ...javaCommand({ ...program, main: "kafka.Kafka", args: [properties] }),
      probe: (signal) => probeKafka(ports.broker, signal, security),
      startMs: 90_000,
    },
    options.signal,
  );
}

async function format(
  options: KafkaOptions,
  program: Omit<JavaProgram, "main">,
  properties: string,
  common: { dir: string; env: Record<string, string>; stopMs: number },
): Promise<void> {
  const data = join(options.dir, "data");
  // The tool writes this file last: without it an earlier attempt was cut.
  if (existsSync(join(data, "bootstrap.checkpoint"))) return;
  rmSync(data, { recursive: true, force: true });
  const id = clusterId();
  const command = javaCommand({
    ...program,
    name: "format",
    main: "kafka.tools.StorageTool",
    args: [
      ...["format", "-t", id, "-c", properties],
      ...(options.security === undefined ? [] : scramArguments(options.security)),
    ],
  });
  await runToEnd({ ...common, ...command, name: "format", startMs: 60_000 }, options.signal);
}

/** A UUID as Kafka writes them: never with a dash first, which its tools take for an option. */
function clusterId(): string {
  const id = randomBytes(16).toString("base64url");
  return id.startsWith("-") ? clusterId() : id;
}

function serverSettings(
  data: string,
  ports: { broker: number; controller: number },
): Record<string, string> {
  return {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${ports.controller}`,
    "controller.listener.names": "CONTROLLER",
    listeners: `PLAINTEXT://127.0.0.1:${ports.broker},CONTROLLER://127.0.0.1:${ports.controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${ports.broker}`,
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": data,
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "background.threads": "4",
    // Allocated from the heap at the start: 128 MiB by default.
    "log.cleaner.dedupe.buffer.size": String(8 * 1024 * 1024),
    "log.cleaner.threads": "1",
    "controlled.shutdown.enable": "true",
    // A killed broker may come back only when its old session has run out.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
  };
}

function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

const LOGGING = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%throwable{20}
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
`;

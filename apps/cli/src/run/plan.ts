import { join } from "node:path";
import type { CloudSecurity } from "@hybridge/local";
import type { LiveSources } from "./live-sources.ts";
import { hdfsEnvironment, hiveEnvironment, kafkaEnvironment, rpcEnvironment } from "./secured.ts";

/** Where the components of the cloud answer. */
export interface CloudAddresses {
  readonly source: string;
  readonly target: string;
  readonly webhdfs: string;
  readonly hive: string;
  readonly s3: string;
  readonly redshift: string;
}

/** A running cloud, as far as a run has to know it. */
export interface RunCloud {
  readonly addresses: CloudAddresses;
  /** Undefined for a cloud that is not secured. */
  readonly security: CloudSecurity | undefined;
}

/** What one run of the main job is made of. */
export interface RunPlan {
  /** Everything the run keeps: data, logs, state. */
  readonly dir: string;
  /** TLS, logins and ACLs everywhere. */
  readonly secure: boolean;
  readonly topic: string;
  readonly partitions: number;
  /** Posts to ingest in all; 0 for no end. */
  readonly posts: number;
  /** Posts per second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly seed: number;
  /** ISO time of the first generated post. */
  readonly epoch: string;
  readonly replayFiles: readonly string[];
  /** In place of files and the generator. */
  readonly live: LiveSources | undefined;
  /** How long a landing service gathers records at most before it lands them. */
  readonly flushIntervalMs: number;
  /** How often files are made visible to queries. */
  readonly registerIntervalMs: number;
  /** gRPC ports by service; 0 lets the system choose. */
  readonly rpcPorts: Readonly<Record<ServiceName, number>>;
}

export const serviceNames = [
  "ingest",
  "mirror",
  "warehouse-internal",
  "warehouse-external",
  "query-gateway",
] as const;

export type ServiceName = (typeof serviceNames)[number];

/** Bucket of the external side; made by warehouse-external when it is missing. */
export const bucket = "hybridge";
export const hdfsDir = "/hybridge";

/** The environment of every service: the whole of its configuration. */
export function serviceEnvironments(
  plan: RunPlan,
  cloud: CloudAddresses,
  security: CloudSecurity | undefined,
): Record<ServiceName, Record<string, string>> {
  const source = (user: ServiceName) =>
    kafkaEnvironment("HYBRIDGE_SOURCE", cloud.source, user, security);
  const target = (user: ServiceName) =>
    kafkaEnvironment("HYBRIDGE_TARGET", cloud.target, user, security);
  const landing = (name: ServiceName) => ({
    HYBRIDGE_TOPIC: plan.topic,
    HYBRIDGE_FLUSH_INTERVAL_MS: String(plan.flushIntervalMs),
    // A process that was killed and started again is not to wait 45 s, the least of KIP-848's brokers.
    HYBRIDGE_GROUP_PROTOCOL: "classic",
    HYBRIDGE_SESSION_TIMEOUT_MS: "10000",
    HYBRIDGE_STAGING_DIR: join(plan.dir, "staging", name),
  });
  const hive = (user: ServiceName) => ({
    ...hiveEnvironment(cloud.hive, user, security),
    HYBRIDGE_HIVE_DATABASE: "hybridge",
  });
  const redshift = {
    HYBRIDGE_REDSHIFT_ENDPOINT: cloud.redshift,
    HYBRIDGE_REDSHIFT_DATABASE: "dev",
    // The local endpoint and S3Mock take any credentials.
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: "us-east-1",
  };
  const own: Record<ServiceName, Record<string, string>> = {
    ingest: {
      ...source("ingest"),
      HYBRIDGE_TOPIC: plan.topic,
      HYBRIDGE_TOPIC_PARTITIONS: String(plan.partitions),
      HYBRIDGE_REPLAY_FILES: plan.replayFiles.join(","),
      HYBRIDGE_REPLAY_POSTS: String(plan.posts),
      HYBRIDGE_REPLAY_RATE: String(plan.rate),
      HYBRIDGE_REPLAY_SEED: String(plan.seed),
      HYBRIDGE_REPLAY_EPOCH: plan.epoch,
      HYBRIDGE_DEAD_LETTER_DIR: join(plan.dir, "dead-letters"),
      HYBRIDGE_SPOOL_DIR: join(plan.dir, "spool"),
      ...plan.live?.environment,
    },
    mirror: {
      ...source("mirror"),
      ...target("mirror"),
      HYBRIDGE_TOPICS: plan.topic,
    },
    "warehouse-internal": {
      ...landing("warehouse-internal"),
      ...hive("warehouse-internal"),
      ...source("warehouse-internal"),
      ...hdfsEnvironment(cloud.webhdfs, security),
      HYBRIDGE_HDFS_DIR: hdfsDir,
      HYBRIDGE_REGISTER_INTERVAL_MS: String(plan.registerIntervalMs),
    },
    "warehouse-external": {
      ...landing("warehouse-external"),
      ...redshift,
      ...target("warehouse-external"),
      HYBRIDGE_S3_ENDPOINT: cloud.s3,
      HYBRIDGE_S3_BUCKET: bucket,
      HYBRIDGE_LOAD_INTERVAL_MS: String(plan.registerIntervalMs),
    },
    "query-gateway": {
      ...hive("query-gateway"),
      ...hdfsEnvironment(cloud.webhdfs, security),
      HYBRIDGE_HDFS_DIR: hdfsDir,
      ...redshift,
      ...source("query-gateway"),
      ...target("query-gateway"),
    },
  };
  for (const name of serviceNames) {
    Object.assign(own[name], rpcEnvironment(security), {
      HYBRIDGE_RPC_PORT: String(plan.rpcPorts[name]),
      HYBRIDGE_TRACE_FILE: join(plan.dir, "traces", `${name}.ndjson`),
    });
  }
  return own;
}

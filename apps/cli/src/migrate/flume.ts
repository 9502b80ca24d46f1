import { ConfigError } from "@hybridge/core";
import { translateClient } from "./kafka-client.ts";
import { MigrationBuilder, type Migration } from "./migration.ts";
import type { Entry } from "./properties.ts";
import { apply, wiring, type Component, type Rule } from "./flume-component.ts";
import { translateSource } from "./flume-sources.ts";

/**
 * Translates one agent of a Flume configuration file.
 *
 * @param wanted the agent's name; needed where the file has several
 * @throws ConfigError when there is no agent, or several and none is named
 */
export function migrateFlume(
  file: string,
  entries: readonly Entry[],
  wanted: string | undefined,
): Migration {
  const agent = agentIn(file, entries, wanted);
  const own = entries.filter(({ key }) => key.startsWith(`${agent}.`));
  const builder = new MigrationBuilder();
  for (const entry of own) {
    const name = entry.key.slice(agent.length + 1);
    if (/^(sources|channels|sinks|sinkgroups)$/.test(name)) {
      builder.drop(entry, "it names the components below");
    } else if (/^(sinkgroups|configfilters|sources\.[^.]+\.(interceptors|selector))/.test(name)) {
      builder.drop(
        entry,
        "there is one way from each source to one topic: nothing selects, groups or rewrites",
      );
    }
  }
  for (const component of componentsIn(own, agent, "sources")) translateSource(builder, component);
  for (const component of componentsIn(own, agent, "channels"))
    translateChannel(builder, component);
  for (const component of componentsIn(own, agent, "sinks")) translateSink(builder, component);
  return builder.finish(`Settings for the Flume agent ${agent} of ${file}`, own);
}

function agentIn(file: string, entries: readonly Entry[], wanted: string | undefined): string {
  const names = entries.flatMap(({ key }) => /^([^.]+)\.(?:sources|sinks)$/.exec(key)?.[1] ?? []);
  const agents = [...new Set(names)];
  if (wanted !== undefined && agents.includes(wanted)) return wanted;
  const [only] = agents;
  if (wanted === undefined && only !== undefined && agents.length === 1) return only;
  throw new ConfigError(
    agents.length === 0
      ? `${file} defines no Flume agent: a line such as TwitterAgent.sources = Twitter`
      : `${file} has the agents ${agents.join(", ")}: choose one with --agent`,
  );
}

function componentsIn(entries: readonly Entry[], agent: string, kind: string): Component[] {
  const prefix = `${agent}.${kind}.`;
  const found = new Map<string, Map<string, Entry>>();
  for (const entry of entries) {
    if (!entry.key.startsWith(prefix)) continue;
    const [name = "", ...rest] = entry.key.slice(prefix.length).split(".");
    const properties = found.get(name) ?? new Map<string, Entry>();
    properties.set(rest.join("."), entry);
    found.set(name, properties);
  }
  return [...found].map(([name, properties]) => {
    const typeEntry = properties.get("type");
    properties.delete("type");
    return { name, type: typeEntry?.value ?? "", typeEntry, properties };
  });
}

function translateChannel(builder: MigrationBuilder, channel: Component): void {
  const { type, typeEntry } = channel;
  const drop =
    (why: string): Rule =>
    (entry) =>
      builder.drop(entry, why);
  const bounded = drop("the spool is bounded by bytes: HYBRIDGE_SPOOL_BYTES_MAX");
  const noTransactions = drop("a batch of a feed is kept whole or not at all, whatever its size");
  if (typeEntry) {
    const lost = /memory/i.test(type)
      ? "; what a memory channel loses in a crash is not lost in it"
      : "";
    builder.drop(typeEntry, `the spool on the disk takes its place${lost}`);
  }
  apply(
    channel,
    {
      capacity: bounded,
      transactionCapacity: noTransactions,
      byteCapacityBufferPercentage: bounded,
      "keep-alive": drop("a feed that can wait does, as long as it takes"),
      byteCapacity: (entry) => {
        const bytes = String(Math.max(67_108_864, Number(entry.value) || 0));
        builder.set(
          "ingest",
          "HYBRIDGE_SPOOL_BYTES_MAX",
          bytes,
          "room on the disk for what Kafka does not take",
          entry,
        );
      },
      dataDirs: (entry) => {
        const [first = ""] = entry.value.split(",");
        builder.set(
          "ingest",
          "HYBRIDGE_SPOOL_DIR",
          first.trim(),
          "one folder; what Flume left in it is not read: let the agent drain its channel first",
          entry,
        );
      },
      checkpointDir: drop("the spool is one folder"),
      backupCheckpointDir: drop("the spool is one folder"),
    },
    (name, entry) => {
      if (!/KafkaChannel$/.test(type)) return false;
      return translateKafka(builder, name, entry);
    },
  );
}

function translateSink(builder: MigrationBuilder, sink: Component): void {
  wiring(builder, sink);
  const { type, typeEntry } = sink;
  if (/KafkaSink$/.test(type)) {
    if (typeEntry) builder.drop(typeEntry, "writing into Kafka is what ingest is");
    apply(sink, {}, (name, entry) => translateKafka(builder, name, entry));
  } else if (/^(hdfs|.*HDFSEventSink)$/i.test(type)) {
    if (typeEntry)
      builder.drop(typeEntry, "warehouse-internal lands the topic in HDFS and Hive, exactly once");
    translateHdfs(builder, sink);
  } else if (typeEntry) {
    const hint = /hive/i.test(type)
      ? "warehouse-internal lands the topic in HDFS and shows it in Hive"
      : "posts go to Kafka, and from there to HDFS and Hive, S3 and Redshift";
    builder.drop(typeEntry, `there is no such sink: ${hint}`);
  }
}

/** Properties of Kafka sinks and channels, those of Flume 1.6 too. */
function translateKafka(builder: MigrationBuilder, name: string, entry: Entry): boolean {
  const set = (setting: string, value: string, why: string) =>
    builder.set("ingest", setting, value, why, entry);
  const bare = name.replace(/^kafka\.(producer\.|consumer\.)?/, "");
  if (name === "brokerList")
    set("HYBRIDGE_SOURCE_BOOTSTRAP", entry.value, "addresses of the cluster");
  else if (bare === "topic") set("HYBRIDGE_TOPIC", entry.value, "topic that posts go to");
  else if (bare === "compression.type" || name === "kafka.compression.codec") {
    set("HYBRIDGE_COMPRESSION", entry.value, "compression of the record batches");
  } else if (bare === "linger.ms") {
    set(
      "HYBRIDGE_LINGER_MS",
      String(Math.min(5_000, Number(entry.value) || 0)),
      "how long a post waits for others",
    );
  } else if (bare === "batch.size") {
    const bytes = Math.min(1_000_000, Math.max(16_384, Number(entry.value) || 262_144));
    set("HYBRIDGE_BATCH_BYTES_MAX", String(bytes), "bytes of a batch at most, from 16,384 on");
  } else if (/^(flumeBatchSize|batchSize)$/.test(name)) {
    builder.drop(
      entry,
      "batches are bounded by bytes and time: HYBRIDGE_BATCH_BYTES_MAX, HYBRIDGE_LINGER_MS",
    );
  } else if (name === "requiredAcks") {
    builder.drop(entry, "it is always all: a post counts when all in-sync replicas have it");
  } else if (/^(useFlumeEventFormat|parseAsFlumeEvent)$/.test(name)) {
    builder.drop(
      entry,
      "the value of a record is the post as the source sent it, and nothing around it",
    );
  } else if (/^(defaultPartitionId|partitionIdHeader|allowTopicOverride|topicHeader)$/.test(name)) {
    builder.drop(
      entry,
      "the key is the post's id, which decides its partition, and there is one topic",
    );
  } else {
    return translateClient({ builder, program: "ingest", prefix: "HYBRIDGE_SOURCE" }, bare, entry);
  }
  return true;
}

function translateHdfs(builder: MigrationBuilder, sink: Component): void {
  const set = (name: string, value: string, why: string, entry: Entry) =>
    builder.set("warehouse-internal", name, value, why, entry);
  apply(
    sink,
    {
      "hdfs.path": (entry) => {
        const match = /^(?:hdfs:\/\/([^/]+))?(\/[^%]*)?/.exec(entry.value);
        const dir = (match?.[2] ?? "/hybridge").replace(/\/[^/]*$/, (rest) =>
          entry.value.includes("%") ? "" : rest,
        );
        const host = match?.[1]?.replace(/:\d+$/, "");
        set(
          "HYBRIDGE_HDFS_DIR",
          dir === "" ? "/hybridge" : dir,
          "folder of the table; it divides days and hours by itself, by the time of the post. Files of Flume stay as they are: choose a folder beside them",
          entry,
        );
        if (host !== undefined) {
          set(
            "HYBRIDGE_WEBHDFS_URL",
            `http://${host}:9870`,
            "the NameNode's http address; 9870 is its port unless dfs.namenode.http-address says otherwise",
            entry,
          );
        }
      },
      "hdfs.rollInterval": (entry) => {
        const ms = Math.min(3_600_000, Math.max(1_000, Number(entry.value) * 1000 || 60_000));
        set(
          "HYBRIDGE_FLUSH_INTERVAL_MS",
          String(ms),
          "a file is made so long after its first record",
          entry,
        );
      },
      "hdfs.rollCount": (entry) => {
        if (Number(entry.value) > 0)
          set(
            "HYBRIDGE_FLUSH_RECORDS_MAX",
            entry.value,
            "or when there are so many records",
            entry,
          );
        else builder.drop(entry, "0 means no bound, as by default");
      },
      "hdfs.rollSize": (entry) =>
        builder.drop(
          entry,
          "files are bounded by time, records and memory (HYBRIDGE_MEMORY_BYTES_MAX)",
        ),
      "hdfs.kerberosPrincipal": (entry) =>
        builder.drop(
          entry,
          "give a delegation token instead (HYBRIDGE_HDFS_DELEGATION_TOKEN_FILE), which is read again when it changes",
        ),
      "hdfs.kerberosKeytab": (entry) => builder.drop(entry, "the same"),
      "hdfs.proxyUser": (entry) =>
        set("HYBRIDGE_HDFS_USER", entry.value, "user that acts in HDFS", entry),
    },
    (name, entry) => {
      if (!/^(hdfs\.|serializer)/.test(name)) return false;
      builder.drop(
        entry,
        "files are Parquet, with typed columns and the exact bytes of each post, and appear whole",
      );
      return true;
    },
  );
}

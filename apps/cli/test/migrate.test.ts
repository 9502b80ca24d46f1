import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConfigError } from "@hybridge/core";
import { migrateFlume } from "../src/migrate/flume.ts";
import { migrationJson, migrationText, type Migration } from "../src/migrate/migration.ts";
import { migrateFlow, migrateMirrorMaker } from "../src/migrate/mirrormaker.ts";
import { readProperties } from "../src/migrate/properties.ts";

/** The agent of the tutorials (Flume 1.6), with what people add to it. */
const FLUME = `
# the agent
TwitterAgent.sources = Twitter
TwitterAgent.channels = MemChannel FileChannel
TwitterAgent.sinks = HDFS Kafka
TwitterAgent.sources.Twitter.type = com.cloudera.flume.source.TwitterSource
TwitterAgent.sources.Twitter.channels = MemChannel
TwitterAgent.sources.Twitter.consumerKey = key-that-nobody-sees
TwitterAgent.sources.Twitter.consumerSecret = secret-that-nobody-sees
TwitterAgent.sources.Twitter.accessToken = token-that-nobody-sees
TwitterAgent.sources.Twitter.accessTokenSecret = other-that-nobody-sees
TwitterAgent.sources.Twitter.keywords = hadoop, big data, \\
    mapreduce
TwitterAgent.sources.Twitter.maxBatchSize = 1000
TwitterAgent.sources.Twitter.maxBatchDurationMillis = 1000
TwitterAgent.channels.MemChannel.type = memory
TwitterAgent.channels.MemChannel.capacity = 10000
TwitterAgent.channels.MemChannel.transactionCapacity = 100
TwitterAgent.channels.FileChannel.type = file
TwitterAgent.channels.FileChannel.dataDirs = /var/flume/data,/var/flume/more
TwitterAgent.channels.FileChannel.checkpointDir = /var/flume/checkpoint
TwitterAgent.sinks.Kafka.type = org.apache.flume.sink.kafka.KafkaSink
TwitterAgent.sinks.Kafka.channel = MemChannel
TwitterAgent.sinks.Kafka.kafka.bootstrap.servers = one:9092, two:9092
TwitterAgent.sinks.Kafka.kafka.topic = tweets
TwitterAgent.sinks.Kafka.flumeBatchSize = 20
TwitterAgent.sinks.Kafka.kafka.producer.acks = 1
TwitterAgent.sinks.Kafka.kafka.producer.compression.type = snappy
TwitterAgent.sinks.Kafka.kafka.producer.security.protocol = SASL_SSL
TwitterAgent.sinks.Kafka.kafka.producer.sasl.mechanism = SCRAM-SHA-512
TwitterAgent.sinks.Kafka.kafka.producer.sasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required username="flume" password="hunter2-that-nobody-sees";
TwitterAgent.sinks.HDFS.type = hdfs
TwitterAgent.sinks.HDFS.channel = MemChannel
TwitterAgent.sinks.HDFS.hdfs.path = hdfs://namenode:8020/user/flume/tweets/%Y/%m/%d/%H/
TwitterAgent.sinks.HDFS.hdfs.fileType = DataStream
TwitterAgent.sinks.HDFS.hdfs.rollInterval = 600
TwitterAgent.sinks.HDFS.hdfs.rollCount = 10000
TwitterAgent.sinks.HDFS.madeUp = 1
OtherAgent.foo = 1
`;

const MM2 = `
clusters = primary, backup
primary.bootstrap.servers = a:9092
backup.bootstrap.servers = b:9092
backup.security.protocol = SSL
backup.ssl.truststore.location = /etc/kafka/truststore.jks
backup.ssl.truststore.password = nobody-sees
primary->backup.enabled = true
primary->backup.topics = tweets.*, hybrid
backup->primary.enabled = false
backup->primary.topics = .*
refresh.topics.interval.seconds = 30
replication.factor = 3
sync.topic.acls.enabled = false
emit.checkpoints.interval.seconds = 5
tasks.max = 4
made.up = 1
`;

/** Every setting that a program has, as the page of settings lists them. */
const page = readFileSync(new URL("../../../docs/settings.md", import.meta.url), "utf8");

function assertSound(migration: Migration, lines: number): void {
  for (const { name } of migration.settings) {
    const base = name.replace(/_FILE$/, "");
    assert.ok(
      page.includes(`\`${name}\``) || page.includes(`or ${base}_FILE:`),
      `${name} is a setting`,
    );
  }
  const told = new Set(
    [
      ...migration.settings.flatMap(({ from }) => from),
      ...migration.dropped.map(({ from }) => from),
    ].map(({ key }) => key),
  );
  assert.equal(told.size, lines, "every line is told once or more");
  for (const text of [migrationText(migration), migrationJson(migration)]) {
    assert.doesNotMatch(text, /nobody-sees/);
  }
}

function valuesOf({ settings }: Migration): Record<string, string> {
  return Object.fromEntries(settings.map(({ name, value }) => [name, value]));
}

test("the agent of the Flume tutorials becomes settings, and every line of it is told", () => {
  const entries = readProperties(FLUME, "flume.conf");
  const migration = migrateFlume("flume.conf", entries, undefined);
  assertSound(migration, entries.filter(({ key }) => key.startsWith("TwitterAgent.")).length);
  assert.deepEqual(valuesOf(migration), {
    HYBRIDGE_FEEDS: "x",
    HYBRIDGE_X_CONSUMER_KEY_FILE: "x-consumer-key",
    HYBRIDGE_X_CONSUMER_SECRET_FILE: "x-consumer-secret",
    HYBRIDGE_X_KEYWORDS: "hadoop, big data, mapreduce",
    HYBRIDGE_LINGER_MS: "1000",
    HYBRIDGE_SPOOL_DIR: "/var/flume/data",
    HYBRIDGE_SOURCE_BOOTSTRAP: "one:9092,two:9092",
    HYBRIDGE_TOPIC: "tweets",
    HYBRIDGE_COMPRESSION: "snappy",
    HYBRIDGE_SOURCE_TLS: "true",
    HYBRIDGE_SOURCE_SASL_MECHANISM: "SCRAM-SHA-512",
    HYBRIDGE_SOURCE_SASL_USERNAME: "flume",
    HYBRIDGE_SOURCE_SASL_PASSWORD_FILE: "kafka-password",
    HYBRIDGE_HDFS_DIR: "/user/flume/tweets",
    HYBRIDGE_WEBHDFS_URL: "http://namenode:9870",
    HYBRIDGE_FLUSH_INTERVAL_MS: "600000",
    HYBRIDGE_FLUSH_RECORDS_MAX: "10000",
  });
  const unknown = migration.dropped.filter(({ why }) => why === "this command does not know it");
  assert.deepEqual(
    unknown.map(({ from }) => from.key),
    ["TwitterAgent.sinks.HDFS.madeUp"],
  );
});

test("sources of files and of HTTP become feeds, several at once", () => {
  const text = `a.sources = s t h
a.sources.s.type = spooldir
a.sources.s.spoolDir = /in
a.sources.t.type = exec
a.sources.t.command = tail -F /var/log/posts.ndjson
a.sources.h.type = http
a.sources.h.port = 5140
a.sources.n.type = netcat`;
  const migration = migrateFlume("f", readProperties(text, "f"), "a");
  assertSound(migration, 8);
  const values = valuesOf(migration);
  assert.equal(values["HYBRIDGE_FEEDS"], "replay,push");
  assert.equal(values["HYBRIDGE_REPLAY_FILES"], "/in,/var/log/posts.ndjson");
  assert.equal(values["HYBRIDGE_REPLAY_NEXT"], "follow");
  assert.equal(values["HYBRIDGE_PUSH_PORT"], "5140");
});

test("a flow of MirrorMaker 2 becomes the settings of a mirror", () => {
  const entries = readProperties(MM2, "mm2.properties");
  const file = { name: "mm2.properties", entries };
  const migration = migrateMirrorMaker([file], undefined);
  assertSound(migration, entries.length);
  assert.deepEqual(valuesOf(migration), {
    HYBRIDGE_SOURCE_BOOTSTRAP: "a:9092",
    HYBRIDGE_TARGET_BOOTSTRAP: "b:9092",
    HYBRIDGE_TARGET_TLS: "true",
    HYBRIDGE_TARGET_TLS_CA_FILE: "/etc/kafka/truststore.pem",
    HYBRIDGE_TOPICS: "tweets.*, hybrid",
    HYBRIDGE_DISCOVER_MS: "30000",
    HYBRIDGE_TARGET_PREFIX: "primary.",
  });
  assert.throws(() => migrateFlow(file, "backup->primary"), ConfigError);
});

test("the two files of MirrorMaker 1 become the settings of a mirror", () => {
  const consumer = readProperties("bootstrap.servers=a:9092\ngroup.id=mm\n", "consumer.properties");
  const producer = readProperties(
    "bootstrap.servers=b:9092\nacks=1\nbatch.size=100\n",
    "producer.properties",
  );
  const files = [
    { name: "consumer.properties", entries: consumer },
    { name: "producer.properties", entries: producer },
  ];
  const migration = migrateMirrorMaker(files, "tweets|hybrid");
  assertSound(migration, 4);
  assert.deepEqual(valuesOf(migration), {
    HYBRIDGE_SOURCE_BOOTSTRAP: "a:9092",
    HYBRIDGE_TARGET_BOOTSTRAP: "b:9092",
    HYBRIDGE_TOPICS: "tweets,hybrid",
  });
});

test("what is no such file is refused by name", () => {
  assert.throws(() => migrateFlume("f", readProperties("a=1", "f"), undefined), ConfigError);
  assert.throws(
    () => migrateFlume("f", readProperties("a.sources=\nb.sources=", "f"), undefined),
    /a, b/,
  );
  assert.throws(
    () =>
      migrateMirrorMaker([{ name: "f", entries: readProperties("clusters=a", "f") }], undefined),
    ConfigError,
  );
});

test("property files are read as Java reads them", () => {
  const text = "! comment\n  a\\ b : c\\u00e9\\\n   d\nempty\nlast = 1\nlast = 2\nx=\\\\\\\\\n";
  const read = readProperties(text, "f").map(({ key, value }) => [key, value]);
  assert.deepEqual(read, [
    ["a b", "c\u00e9d"],
    ["empty", ""],
    ["last", "2"],
    ["x", "\\\\"],
  ]);
});

import { readConfig, setting, type Config, type Emit } from "@hybridge/core";
import { clusterOptions, clusterSettings } from "@hybridge/kafka";
import { namedTopics, topicPattern, type MirrorOptions } from "@hybridge/mirror";
import { rpcSettings } from "@hybridge/rpc";
import { tracingSettings } from "@hybridge/tracing";

const MIB = 1 << 20;

export const settings = {
  ...clusterSettings("HYBRIDGE_SOURCE", "the source cluster"),
  ...clusterSettings("HYBRIDGE_TARGET", "the target cluster"),
  HYBRIDGE_TOPICS: {
    schema: setting.text("hybrid"),
    doc: "topics to mirror: regular expressions for whole names, in the manner of Java, with commas; internal ones never are",
  },
  HYBRIDGE_TOPICS_DENY: {
    // The topics that Connect and MirrorMaker 2 keep for themselves.
    schema: setting.text(".*[.-]internal, .*[.-]replica"),
    doc: "topics not to mirror although HYBRIDGE_TOPICS matches; same form; - denies none",
  },
  HYBRIDGE_TARGET_PREFIX: {
    schema: setting.optional(),
    doc: "put before a topic's name in the target; default: names stay as they are",
  },
  HYBRIDGE_MIRROR_ID: {
    schema: setting.text("hybridge-mirror"),
    doc: "names this mirror: of two with one id, the later start takes the partitions over",
  },
  HYBRIDGE_DEAD_LETTER_TOPIC: {
    schema: setting.text("hybridge-dead-letters"),
    doc: "topic in the target for records that it cannot take, with where they come from",
  },
  HYBRIDGE_BUFFER_MIB: {
    schema: setting.integer(8, 4096, 16),
    doc: "MiB of fetched bytes held at most while the target is slower than the source",
  },
  HYBRIDGE_IN_FLIGHT: {
    schema: setting.integer(1, 1_024, 128),
    doc: "produce requests under way at a time per broker of the target, at most",
  },
  HYBRIDGE_MERGE: {
    schema: setting.oneOf(["auto", "off"], "auto"),
    doc: "auto: small batches are joined when the target is far away and the requests under way bound the rate; off: batches go as they are",
  },
  HYBRIDGE_MERGE_FROM_MS: {
    schema: setting.integer(0, 10_000, 8),
    doc: "round trip to the target, in milliseconds, from which on small batches are joined",
  },
  HYBRIDGE_MERGE_BELOW_KIB: {
    schema: setting.integer(1, 1024, 32),
    doc: "batches from this size on are never joined",
  },
  HYBRIDGE_MERGE_TARGET_KIB: {
    schema: setting.integer(16, 4096, 256),
    doc: "size up to which small batches are joined",
  },
  HYBRIDGE_ON_TRUNCATION: {
    schema: setting.oneOf(["continue", "stop"], "continue"),
    doc: "when the source deleted records before they were mirrored: report the range and continue, or stop the partition",
  },
  HYBRIDGE_ON_RECREATION: {
    schema: setting.oneOf(["stop", "continue"], "stop"),
    doc: "when the source topic was deleted and created again: stop the partition, or mirror the new topic from its beginning, behind what came from the old one",
  },
  HYBRIDGE_ON_TARGET_LOSS: {
    schema: setting.oneOf(["stop", "copy"], "stop"),
    doc: "when the target lost records that it had acknowledged: stop the partition, or copy them again, behind what stands there now",
  },
  HYBRIDGE_ON_TARGET_DELETION: {
    schema: setting.oneOf(["stop", "copy"], "stop"),
    doc: "when a target topic was deleted after records had been mirrored to it: stop its partitions, or make it again and copy from the beginning of the source",
  },
  HYBRIDGE_OPEN_TRANSACTION_MS: {
    schema: setting.integer(1_000, 86_400_000, 60_000),
    doc: "how long a transaction of the source may hold a partition back before it is told whose it is, in milliseconds",
  },
  HYBRIDGE_DISCOVER_MS: {
    schema: setting.integer(200, 600_000, 2_000),
    doc: "how often to look for new topics and partitions, and for the ends of those that are not read, in milliseconds",
  },
  HYBRIDGE_RENEW_MS: {
    schema: setting.integer(1_000, 72_000_000, 43_200_000),
    doc: "how often a partition's ownership is renewed, in milliseconds; below producer.id.expiration.ms of the target (1 day), after which a leader forgets who owns an idle partition",
  },
  HYBRIDGE_POSITIONS_MS: {
    schema: setting.integer(50, 60_000, 1_000),
    doc: "how often positions are written, in milliseconds; a restart compares what came after the last",
  },
  ...rpcSettings,
  ...tracingSettings,
} as const;

export type MirrorConfig = Config<typeof settings>;

/** @throws ConfigError that lists every problem at once */
export function readMirrorConfig(env = process.env): MirrorConfig {
  return readConfig(settings, env);
}

/** What the mirror itself has to know. @throws ConfigError */
export function mirrorOptions(config: MirrorConfig, emit?: Emit): Omit<MirrorOptions, "emit"> {
  return {
    source: clusterOptions(config, "HYBRIDGE_SOURCE", "hybridge-mirror", emit),
    target: clusterOptions(config, "HYBRIDGE_TARGET", "hybridge-mirror", emit),
    topics: {
      allow: topicPattern("HYBRIDGE_TOPICS", config.HYBRIDGE_TOPICS),
      deny: topicPattern("HYBRIDGE_TOPICS_DENY", config.HYBRIDGE_TOPICS_DENY),
      named: namedTopics("HYBRIDGE_TOPICS", config.HYBRIDGE_TOPICS),
      prefix: config.HYBRIDGE_TARGET_PREFIX ?? "",
    },
    mirrorId: config.HYBRIDGE_MIRROR_ID,
    deadLetterTopic: config.HYBRIDGE_DEAD_LETTER_TOPIC,
    bufferBytesMax: config.HYBRIDGE_BUFFER_MIB * MIB,
    depth: config.HYBRIDGE_IN_FLIGHT,
    merge: {
      enabled: config.HYBRIDGE_MERGE === "auto",
      fromRoundTripMs: config.HYBRIDGE_MERGE_FROM_MS,
      belowBytes: config.HYBRIDGE_MERGE_BELOW_KIB * 1024,
      targetBytes: config.HYBRIDGE_MERGE_TARGET_KIB * 1024,
    },
    onTruncation: config.HYBRIDGE_ON_TRUNCATION,
    onRecreation: config.HYBRIDGE_ON_RECREATION,
    onTargetLoss: config.HYBRIDGE_ON_TARGET_LOSS,
    onTargetDeletion: config.HYBRIDGE_ON_TARGET_DELETION,
    openTransactionMs: config.HYBRIDGE_OPEN_TRANSACTION_MS,
    discoverEveryMs: config.HYBRIDGE_DISCOVER_MS,
    renewEveryMs: config.HYBRIDGE_RENEW_MS,
    positionsEveryMs: config.HYBRIDGE_POSITIONS_MS,
  };
}

import { ConfigError } from "@hybridge/core";
import { translateClient, type ClientTarget } from "./kafka-client.ts";
import { MigrationBuilder, type Migration } from "./migration.ts";
import type { Entry } from "./properties.ts";

export interface MirrorMakerFile {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/**
 * Translates the files of MirrorMaker: one of MirrorMaker 2, or the consumer's and the producer's of
 * MirrorMaker 1.
 *
 * @param topics what MirrorMaker 1 was started with (--whitelist, --include)
 */
export function migrateMirrorMaker(
  files: readonly MirrorMakerFile[],
  topics: string | undefined,
): Migration {
  const [first, ...more] = files;
  const two = files.find(({ entries }) => entries.some(({ key }) => key === "clusters"));
  if (two && more.length === 0) return migrateTwo(two);
  if (two || !first) {
    throw new ConfigError(
      "one file of MirrorMaker 2, or consumer.properties and producer.properties of MirrorMaker 1",
    );
  }
  return migrateOne(files, topics);
}

function migrateOne(files: readonly MirrorMakerFile[], topics: string | undefined): Migration {
  const builder = new MigrationBuilder();
  for (const { entries, name } of files) {
    const prefix = isConsumer(name, entries) ? "HYBRIDGE_SOURCE" : "HYBRIDGE_TARGET";
    const target: ClientTarget = { builder, program: "mirror", prefix };
    for (const entry of entries) {
      if (entry.key === "zookeeper.connect") {
        builder.drop(
          entry,
          "brokers are asked, not ZooKeeper: set HYBRIDGE_SOURCE_BOOTSTRAP to theirs",
        );
      } else if (/^(compression\.|batch\.size$|linger\.ms$)/.test(entry.key)) {
        builder.drop(entry, "batches go from cluster to cluster as the bytes they are");
      } else if (/^(exclude\.internal\.topics|abort\.on\.send\.failure)$/.test(entry.key)) {
        builder.drop(entry, "it is always so");
      } else translateClient(target, entry.key, entry);
    }
  }
  if (topics === undefined) {
    builder.note("HYBRIDGE_TOPICS: what MirrorMaker was started with as --whitelist or --include");
  } else {
    const form = topics.replaceAll("|", ",");
    builder.set(
      "mirror",
      "HYBRIDGE_TOPICS",
      form,
      "regular expressions for whole names of topics, with commas",
    );
  }
  builder.note("Names of topics stay as they are, as with MirrorMaker 1");
  builder.note(
    "Begin with an empty target topic, or see README of apps/mirror for one that has records already",
  );
  return builder.finish(
    "The mirror's settings for MirrorMaker 1",
    files.flatMap((file) => file.entries),
  );
}

function isConsumer(name: string, entries: readonly Entry[]): boolean {
  if (/consumer/i.test(name)) return true;
  if (/producer/i.test(name)) return false;
  return entries.some(({ key }) =>
    /^(group\.id|auto\.offset\.reset|zookeeper\.connect)$/.test(key),
  );
}

interface Flow {
  readonly source: string;
  readonly target: string;
}

function migrateTwo({ name, entries }: MirrorMakerFile): Migration {
  const builder = new MigrationBuilder();
  const flows = flowsIn(entries);
  const [flow, ...others] = flows;
  if (!flow)
    throw new ConfigError(`${name} enables no flow: a line such as primary->backup.enabled = true`);
  for (const { source, target } of others) {
    builder.note(
      `The file also has ${source}->${target}: run this command with --flow '${source}->${target}', and a second mirror with a HYBRIDGE_MIRROR_ID of its own`,
    );
  }
  return translateFlow(name, entries, flow, builder);
}

/** One flow of a MirrorMaker 2 file, by its name `source->target`. */
export function migrateFlow({ name, entries }: MirrorMakerFile, wanted: string): Migration {
  const [source = "", target = ""] = wanted.split("->");
  const known = flowsIn(entries).some((flow) => flow.source === source && flow.target === target);
  if (!known) throw new ConfigError(`${name} does not enable the flow ${wanted}`);
  return translateFlow(name, entries, { source, target }, new MigrationBuilder());
}

function flowsIn(entries: readonly Entry[]): Flow[] {
  return entries.flatMap(({ key, value }) => {
    const match = /^(.+)->(.+)\.enabled$/.exec(key);
    if (!match || value.trim() !== "true") return [];
    return [{ source: match[1] ?? "", target: match[2] ?? "" }];
  });
}

function translateFlow(
  file: string,
  entries: readonly Entry[],
  { source, target }: Flow,
  builder: MigrationBuilder,
): Migration {
  const own = `${source}->${target}.`;
  for (const entry of entries) {
    const { key } = entry;
    if (key.includes("->") && !key.startsWith(own)) builder.drop(entry, "it is of another flow");
    else if (translateCluster(builder, entry, source, "HYBRIDGE_SOURCE")) continue;
    else if (translateCluster(builder, entry, target, "HYBRIDGE_TARGET")) continue;
    else translateMirror(builder, entry, key.startsWith(own) ? key.slice(own.length) : key, source);
  }
  const policy = entries.find(({ key }) => key.endsWith("replication.policy.class"));
  if (!policy) {
    const separator = entries.find(({ key }) => key.endsWith("replication.policy.separator"));
    const why = "MirrorMaker 2 puts the name of the source cluster before names of topics";
    builder.set("mirror", "HYBRIDGE_TARGET_PREFIX", `${source}${separator?.value ?? "."}`, why);
  }
  builder.note(
    "Offsets of MirrorMaker 2 are not taken over: begin with an empty target topic, or see README of apps/mirror for one that has records already",
  );
  return builder.finish(
    `The mirror's settings for ${source}->${target} of ${file} (MirrorMaker 2)`,
    entries,
  );
}

/** `alias.property`, and `alias.consumer.property` and its like. */
function translateCluster(
  builder: MigrationBuilder,
  entry: Entry,
  alias: string,
  prefix: ClientTarget["prefix"],
): boolean {
  if (!entry.key.startsWith(`${alias}.`)) return false;
  const name = entry.key.slice(alias.length + 1).replace(/^(consumer|producer|admin)\./, "");
  if (/^(compression\.type|batch\.size|linger\.ms)$/.test(name)) {
    builder.drop(entry, "batches go from cluster to cluster as the bytes they are");
    return true;
  }
  return translateClient({ builder, program: "mirror", prefix }, name, entry);
}

const NOT_NEEDED: readonly (readonly [RegExp, string])[] = [
  [/^(clusters|enabled)$/, "it says what this is about"],
  [/^tasks\.max$/, "one process does what a cluster of workers did; several share the partitions"],
  [
    /^(replication\.factor|.*\.replication\.factor)$/,
    "topics are made with the target's default.replication.factor",
  ],
  [
    /^(sync\.topic\.configs\.enabled|config\.properties.*|topic\.config.*|sync\.topic\.configs.*)$/,
    "a target topic is made with the settings of its source, and not changed later",
  ],
  [/^sync\.topic\.acls.*$/, "rights are not copied between clusters: grant them there"],
  [
    /^(emit\.heartbeats.*|heartbeats?\..*)$/,
    "there are no heartbeat topics; metrics and status tell health and lag",
  ],
  [
    /^(emit\.checkpoints.*|checkpoints?\..*|sync\.group\.offsets.*|emit\.offset-syncs.*|offset-syncs.*|offset\.lag\.max)$/,
    "every position is known, and TranslateOffset answers for any offset",
  ],
  [/^(exactly\.once.*|transaction\.boundary)$/, "it is always exactly once"],
  [/^(config|offset|status)\.storage.*$/, "there is no Connect: the target log is the checkpoint"],
  [
    /^(dedicated\.mode.*|listeners|rest\..*|key\.converter|value\.converter|header\.converter|plugin\.path)/,
    "there is no Connect",
  ],
  [
    /^groups(\.exclude|\.blacklist)?$/,
    "offsets of consumer groups are translated when they are asked for",
  ],
  [/^offset\.flush.*$/, "positions are written every HYBRIDGE_POSITIONS_MS"],
  [/^use\.incremental.*$/, "settings of topics are not altered"],
];

function translateMirror(builder: MigrationBuilder, entry: Entry, name: string, source: string) {
  const { value } = entry;
  const set = (setting: string, text: string, why: string) =>
    builder.set("mirror", setting, text, why, entry);
  if (name === "topics") {
    set("HYBRIDGE_TOPICS", value, "regular expressions for whole names of topics, with commas");
  } else if (name === "topics.exclude" || name === "topics.blacklist") {
    set("HYBRIDGE_TOPICS_DENY", value, "what is not mirrored although HYBRIDGE_TOPICS matches");
  } else if (name === "refresh.topics.interval.seconds") {
    const ms = Math.max(100, Number(value) * 1000 || 2_000);
    set("HYBRIDGE_DISCOVER_MS", String(ms), "how often new topics and partitions are looked for");
  } else if (name === "replication.policy.class") {
    if (/Identity/.test(value))
      builder.drop(entry, "names of topics stay as they are, which is the default here");
    else
      set(
        "HYBRIDGE_TARGET_PREFIX",
        `${source}.`,
        "the policy puts the name of the source before names of topics",
      );
  } else if (name === "replication.policy.separator") {
    builder.drop(entry, "it is the end of HYBRIDGE_TARGET_PREFIX");
  } else {
    const known = NOT_NEEDED.find(([pattern]) => pattern.test(name));
    if (known) builder.drop(entry, known[1]);
    else translateClient({ builder, program: "mirror", prefix: "HYBRIDGE_SOURCE" }, name, entry);
  }
}

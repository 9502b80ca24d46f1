import type { Api } from "./connection.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

export const createTopicsApi: Api = { name: "CreateTopics", key: 19, version: 7 };
export const createPartitionsApi: Api = { name: "CreatePartitions", key: 37, version: 3 };
export const describeConfigsApi: Api = { name: "DescribeConfigs", key: 32, version: 4 };

const TOPIC = 2;

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicAnswer {
  readonly error: number;
  readonly message: string | null;
}

/** CreateTopics v7; replication factor -1 is the broker's default. */
export function writeCreateTopics(wanted: NewTopic, timeoutMs: number): ProtocolWriter {
  return new ProtocolWriter()
    .array([wanted], (item, { topic, partitions, config }) => {
      item
        .compactString(topic)
        .i32(partitions)
        .i16(-1)
        .array([], () => undefined);
      item.array(Object.entries(config ?? {}), (entry, [name, value]) => {
        entry.compactString(name).compactString(value).noTags();
      });
      item.noTags();
    })
    .i32(timeoutMs)
    .bool(false)
    .noTags();
}

export function readCreateTopics(reader: ProtocolReader): TopicAnswer {
  reader.i32(); // throttle
  const [answer] = reader.array((item) => {
    item.compactString();
    item.uuid();
    const error = item.i16();
    const message = item.compactNullableString();
    item.i32();
    item.i16();
    item.array((entry) => {
      entry.compactString();
      entry.compactNullableString();
      entry.skip(3); // read only, source, sensitive
      entry.tags();
    });
    item.tags();
    return { error, message };
  });
  return answer ?? { error: -1, message: "empty answer" };
}

/** CreatePartitions v3: raises the count of a topic to `count`. */
export function writeCreatePartitions(topic: string, count: number, timeoutMs: number) {
  return new ProtocolWriter()
    .array([topic], (item, name) => item.compactString(name).i32(count).nullArray().noTags())
    .i32(timeoutMs)
    .bool(false)
    .noTags();
}

export function readCreatePartitions(reader: ProtocolReader): TopicAnswer {
  reader.i32(); // throttle
  const [answer] = reader.array((item) => {
    item.compactString();
    const error = item.i16();
    const message = item.compactNullableString();
    item.tags();
    return { error, message };
  });
  return answer ?? { error: -1, message: "empty answer" };
}

export function writeDescribeConfigs(topic: string): ProtocolWriter {
  return new ProtocolWriter()
    .array([topic], (item, name) => item.i8(TOPIC).compactString(name).nullArray().noTags())
    .bool(false)
    .bool(false)
    .noTags();
}

export interface ConfigEntry {
  readonly name: string;
  readonly value: string | null;
  /** True when the topic sets it, not the broker. */
  readonly isOwn: boolean;
}

const DYNAMIC_TOPIC_CONFIG = 1;

export function readDescribeConfigs(
  reader: ProtocolReader,
): TopicAnswer & { readonly entries: readonly ConfigEntry[] } {
  reader.i32(); // throttle
  const [answer] = reader.array((item) => {
    const error = item.i16();
    const message = item.compactNullableString();
    item.i8();
    item.compactString();
    const entries = item.array(readConfigEntry);
    item.tags();
    return { error, message, entries };
  });
  return answer ?? { error: -1, message: "empty answer", entries: [] };
}

function readConfigEntry(reader: ProtocolReader): ConfigEntry {
  const name = reader.compactString();
  const value = reader.compactNullableString();
  reader.bool(); // read only
  const source = reader.i8();
  reader.bool(); // sensitive
  reader.array((item) => {
    item.compactString();
    item.compactNullableString();
    item.i8();
    item.tags();
  });
  reader.i8(); // type
  reader.compactNullableString(); // documentation
  reader.tags();
  return { name, value, isOwn: source === DYNAMIC_TOPIC_CONFIG };
}

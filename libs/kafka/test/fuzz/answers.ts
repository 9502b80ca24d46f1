import { readApiVersions } from "../../src/wire/api-versions.ts";
import { readListOffsets } from "../../src/wire/list-offsets.ts";
import { readOffsetCommit } from "../../src/wire/offset-commit.ts";
import { readConsumerHeartbeat } from "../../src/wire/consumer-group.ts";
import {
  readHeartbeat,
  readJoinGroup,
  readLeaveGroup,
  readSyncGroup,
} from "../../src/wire/classic-group.ts";
import { readMetadata } from "../../src/wire/metadata.ts";
import { readProduce } from "../../src/wire/produce.ts";
import type { ProtocolReader } from "../../src/wire/reader.ts";
import {
  readCreatePartitions,
  readCreateTopics,
  readDescribeConfigs,
} from "../../src/wire/topics.ts";
import {
  readAddPartitionsToTxn,
  readEndTxn,
  readFindCoordinator,
  readInitProducerId,
} from "../../src/wire/transaction.ts";
import { ProtocolWriter } from "../../src/wire/writer.ts";

/** An answer of the protocol without fault, and who reads it. */
export interface GoodAnswer {
  readonly name: string;
  readonly bytes: Buffer;
  readonly read: (reader: ProtocolReader) => unknown;
}

const ID = "cd".repeat(16);
const THREE = [0, 1, 2];

/** Every answer that a client of ours can get, but for Fetch. */
export function goodAnswers(): GoodAnswer[] {
  return [
    answer("Metadata", readMetadata, metadata),
    answer("Produce", readProduce, produce),
    answer("ListOffsets", readListOffsets, listOffsets),
    answer("InitProducerId", readInitProducerId, (body) => body.i32(0).i16(0).i64(9n).i16(3)),
    answer("AddPartitionsToTxn", readAddPartitionsToTxn, perPartition),
    answer("OffsetCommit", readOffsetCommit, perPartition),
    answer("ConsumerGroupHeartbeat", readConsumerHeartbeat, consumerHeartbeat),
    answer("JoinGroup", (reader) => readJoinGroup(reader, 9), joinGroup),
    answer(
      "SyncGroup",
      (reader) => readSyncGroup(reader, 5),
      (body) =>
        body
          .i32(0)
          .i16(0)
          .compactString("consumer")
          .compactString("a")
          .compactBytes(Buffer.from("x")),
    ),
    answer("Heartbeat", readHeartbeat, (body) => body.i32(0).i16(27)),
    answer("LeaveGroup", readLeaveGroup, (body) =>
      body
        .i32(0)
        .i16(0)
        .array(["m"], (item, member) => {
          item.compactString(member).compactString(null).i16(25).noTags();
        }),
    ),
    answer("EndTxn", readEndTxn, (body) => body.i32(0).i16(0)),
    answer(
      "FindCoordinator",
      (reader) =>
        readFindCoordinator(reader, "find the coordinator", { operation: "Write", name: "w" }),
      coordinator,
    ),
    answer("ApiVersions", (reader) => readApiVersions(reader, "here:1"), apiVersions),
    answer("CreateTopics", readCreateTopics, createTopics),
    answer("CreatePartitions", readCreatePartitions, (body) =>
      body.i32(0).array([0], (item) => item.compactString("t").i16(0).compactString(null).noTags()),
    ),
    answer("DescribeConfigs", readDescribeConfigs, describeConfigs),
  ];
}

function answer(
  name: string,
  read: GoodAnswer["read"],
  write: (body: ProtocolWriter) => ProtocolWriter,
): GoodAnswer {
  return { name, read, bytes: Buffer.concat(write(new ProtocolWriter()).noTags().chunks()) };
}

const metadata = (body: ProtocolWriter) =>
  body
    .i32(0)
    .array(THREE, (item, id) => {
      item.i32(id).compactString("broker").i32(9092).compactString(null).noTags();
    })
    .compactString("cluster")
    .i32(1)
    .array(["a", "b"], (topic, name) => {
      topic.i16(0).compactString(name).uuid(ID).bool(false);
      topic.array(THREE, (item, number) => {
        item.i16(0).i32(number).i32(1).i32(5);
        for (let list = 0; list < 3; list++) item.array(THREE, (id, node) => id.i32(node));
        item.noTags();
      });
      topic.i32(0).noTags();
    });

const produce = (body: ProtocolWriter) =>
  body
    .array(["a"], (topic, name) => {
      topic.compactString(name).array(THREE, (item, number) => {
        item.i32(number).i16(0).i64(100n).i64(-1n).i64(0n);
        item.array([1], (entry, at) => entry.i32(at).compactString("too old").noTags());
        item.compactString("refused").noTags();
      });
      topic.noTags();
    })
    .i32(0);

const listOffsets = (body: ProtocolWriter) =>
  body.i32(0).array(["a"], (topic, name) => {
    topic.compactString(name).array(THREE, (item, number) => {
      item.i32(number).i16(0).i64(-1n).i64(77n).i32(2).noTags();
    });
    topic.noTags();
  });

const perPartition = (body: ProtocolWriter) =>
  body.i32(0).array(["a", "b"], (topic, name) => {
    topic.compactString(name).array(THREE, (item, number) => item.i32(number).i16(0).noTags());
    topic.noTags();
  });

const consumerHeartbeat = (body: ProtocolWriter) =>
  body
    .i32(0)
    .i16(0)
    .compactString(null)
    .compactString("member")
    .i32(7)
    .i32(5_000)
    .i8(1)
    .array([ID], (topic, id) => {
      topic
        .uuid(id)
        .array(THREE, (item, number) => item.i32(number))
        .noTags();
    })
    .noTags();

const joinGroup = (body: ProtocolWriter) =>
  body
    .i32(0)
    .i16(0)
    .i32(3)
    .compactString("consumer")
    .compactString("cooperative-sticky")
    .compactString("member")
    .bool(false)
    .compactString("member")
    .array(["member", "other"], (item, member) => {
      item.compactString(member).compactString(null).compactBytes(Buffer.from("x")).noTags();
    });

const coordinator = (body: ProtocolWriter) =>
  body.i32(0).array(["group"], (item, key) => {
    item.compactString(key).i32(1).compactString("broker").i32(9092).i16(0);
    item.compactString(null).noTags();
  });

const apiVersions = (body: ProtocolWriter) =>
  body.i16(0).array(THREE, (item, key) => item.i16(key).i16(0).i16(12).noTags());

const createTopics = (body: ProtocolWriter) =>
  body.i32(0).array(["a"], (item, name) => {
    item.compactString(name).uuid(ID).i16(0).compactString(null).i32(6).i16(1);
    item.array(["retention.ms"], (entry, key) => {
      entry.compactString(key).compactString("-1").bool(false).i8(1).bool(false).noTags();
    });
    item.noTags();
  });

const describeConfigs = (body: ProtocolWriter) =>
  body.i32(0).array(["a"], (item, name) => {
    item.i16(0).compactString(null).i8(2).compactString(name);
    item.array(["retention.ms", "cleanup.policy"], (entry, key) => {
      entry.compactString(key).compactString("-1").bool(false).i8(1).bool(false);
      entry.array(["synonym"], (other, text) => {
        other.compactString(text).compactString("1").i8(4).noTags();
      });
      entry.i8(5).compactString(null).noTags();
    });
    item.noTags();
  });

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster } from "@hybridge/kafka/raw";
import { concernsOf, withoutUnknown } from "../src/topics/target-settings.ts";
import { TargetWatch } from "../src/topics/target-watch.ts";

const settings = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries));

const MADE_BY_US = {
  "cleanup.policy": "delete",
  "compression.type": "producer",
  "max.message.bytes": "1048588",
  "message.timestamp.type": "CreateTime",
  "message.timestamp.before.max.ms": "9223372036854775807",
  "message.timestamp.after.max.ms": "9223372036854775807",
};

const OTHERS = [
  ["message.timestamp.type", "LogAppendTime", true],
  ["message.timestamp.before.max.ms", "86400000", false],
  // As Kafka 4 has it by default.
  ["message.timestamp.after.max.ms", "3600000", false],
  ["cleanup.policy", "compact,delete", false],
  ["max.message.bytes", "1000", false],
  ["compression.type", "zstd", false],
] as const;

test("of a target as the mirror makes it there is nothing to tell", () => {
  assert.deepEqual(concernsOf(settings(MADE_BY_US), settings(MADE_BY_US)), []);
  const compacted = { ...MADE_BY_US, "cleanup.policy": "compact" };
  assert.deepEqual(concernsOf(settings(compacted), settings(compacted)), []);
  assert.deepEqual(concernsOf(settings(compacted), settings(MADE_BY_US)), []);
});

for (const [setting, value, isRefused] of OTHERS) {
  test(`a target with ${setting}=${value} is ${isRefused ? "refused" : "told"}`, () => {
    const target = settings({ ...MADE_BY_US, [setting]: value });
    const concerns = concernsOf(settings(MADE_BY_US), target);
    assert.deepEqual(
      concerns.map((concern) => [concern.setting, concern.value, concern.isRefused]),
      [[setting, value, isRefused]],
    );
    assert.match(concerns[0]?.remedy ?? "", new RegExp(setting.replaceAll(".", "\\.")));
  });
}

test("a limit on the future that the source has as well refuses nothing; one on the past does", () => {
  const both = settings({
    ...MADE_BY_US,
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "3600000",
  });
  const told = concernsOf(both, both).map(({ setting }) => setting);
  assert.deepEqual(told, ["message.timestamp.before.max.ms"]);
});

test("a setting that the target does not know is found in what it says, and left out", () => {
  const config = { "message.format.version": "2.8", "message.format": "x", "retention.ms": "5" };
  assert.deepEqual(withoutUnknown(config, "Unknown topic config name: message.format.version"), {
    config: { "message.format": "x", "retention.ms": "5" },
    left: "message.format.version",
  });
  const wrong = "Invalid value -7 for configuration retention.ms";
  assert.equal(withoutUnknown(config, wrong), undefined);
  assert.equal(withoutUnknown({}, "Unknown topic config name: message.format.version"), undefined);
});

test("a target topic counts as gone when two listings in a row leave it out, and not by one", async () => {
  let ids: Readonly<Record<string, string>> = { posts: "a" };
  const describe = (names: readonly string[]) => {
    const topics = names.map((name) => {
      const id = ids[name];
      return { name, id: id ?? "0", error: id === undefined ? 3 : 0, partitions: [{}] };
    });
    return Promise.resolve({ topics });
  };
  const watch = new TargetWatch({ describe } as unknown as Cluster);
  const look = () => watch.look(["posts"], new AbortController().signal);
  await look();
  assert.deepEqual(watch.found("posts"), { id: "a", partitions: 1 });
  ids = {};
  await look();
  assert.deepEqual([watch.found("posts")?.id, watch.isGone("posts")], [undefined, false]);
  ids = { posts: "a" };
  await look();
  ids = {};
  await look();
  assert.equal(watch.isGone("posts"), false, "not in a row");
  await look();
  assert.equal(watch.isGone("posts"), true);
  watch.made("posts");
  assert.equal(watch.isGone("posts"), false);
});

test("a target that may not be looked up counts as neither there nor gone", async () => {
  const describe = () =>
    Promise.resolve({ topics: [{ name: "posts", id: "0", error: 29, partitions: [] }] });
  const watch = new TargetWatch({ describe } as unknown as Cluster);
  for (let count = 0; count < 3; count++) await watch.look(["posts"], new AbortController().signal);
  assert.deepEqual([watch.found("posts")?.isHidden, watch.isGone("posts")], [true, false]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "@hybridge/core";
import { settings } from "../src/config.ts";

test("every setting has a default, so that it starts beside the local cloud", () => {
  const config = readConfig(settings, {});
  assert.equal(config.HYBRIDGE_TOPIC, "hybrid");
  assert.equal(config.HYBRIDGE_HDFS_DIR, "/hybridge");
  assert.equal(config.HYBRIDGE_HIVE_DATABASE, "hybridge");
});

test("folders and names that would not work are refused at the start", () => {
  for (const [name, value] of [
    ["HYBRIDGE_HDFS_DIR", "/"],
    ["HYBRIDGE_HDFS_DIR", "/a/"],
    ["HYBRIDGE_HDFS_DIR", "a"],
    ["HYBRIDGE_HIVE_DATABASE", "a; drop table b"],
    ["HYBRIDGE_WEBHDFS_URL", "hdfs://host:8020"],
    ["HYBRIDGE_WEBHDFS_URL", "http://one:9870,two:9870"],
    ["HYBRIDGE_HIVE", "host"],
    ["HYBRIDGE_FLUSH_RECORDS_MAX", "0"],
  ] as const) {
    assert.throws(
      () => readConfig(settings, { [name]: value }),
      (error) => error instanceof ConfigError && error.message.includes(name),
      `${name}=${value}`,
    );
  }
});

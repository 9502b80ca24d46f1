import assert from "node:assert/strict";
import { test } from "node:test";
import { describeSettings, readConfig } from "@hybridge/core";
import { settings } from "../src/config.ts";

test("starts with defaults that fit the local cloud", () => {
  const config = readConfig(settings, {});
  assert.equal(config.HYBRIDGE_S3_BUCKET, "hybridge");
  assert.equal(config.HYBRIDGE_S3_ENDPOINT, undefined);
  assert.equal(config.HYBRIDGE_REDSHIFT_DATABASE, "dev");
});

test("refuses what S3 and Redshift would refuse later", () => {
  const wrong = {
    HYBRIDGE_S3_BUCKET: "Upper",
    HYBRIDGE_S3_PREFIX: "/a/",
    HYBRIDGE_REDSHIFT_ENDPOINT: "localhost:1",
    HYBRIDGE_REDSHIFT_IAM_ROLE: "role",
    HYBRIDGE_LOAD_INTERVAL_MS: "1",
  };
  assert.throws(
    () => readConfig(settings, wrong),
    (error: Error) => {
      for (const name of Object.keys(wrong))
        assert.match(error.message, new RegExp(`${name}: must`));
      return true;
    },
  );
});

test("explains every setting", () => {
  const text = describeSettings(settings);
  for (const name of Object.keys(settings)) assert.ok(text.includes(name));
});

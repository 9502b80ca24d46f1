import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "@hybridge/core";
import { mirrorOptions, readMirrorConfig } from "../src/config.ts";

test("settings are checked whole, and a pattern that is none is named", () => {
  const needed = {
    HYBRIDGE_SOURCE_BOOTSTRAP: "a:1",
    HYBRIDGE_TARGET_BOOTSTRAP: "b:2,c:3",
  };
  const options = mirrorOptions(readMirrorConfig(needed));
  assert.equal(options.target.bootstrap, "b:2,c:3");
  assert.equal(options.source.tls, undefined);
  const wrong = readMirrorConfig({ ...needed, HYBRIDGE_TOPICS: "a(" });
  assert.throws(() => mirrorOptions(wrong), ConfigError);
  const half = readMirrorConfig({ ...needed, HYBRIDGE_TARGET_SASL_MECHANISM: "SCRAM-SHA-256" });
  assert.throws(() => mirrorOptions(half), /HYBRIDGE_TARGET_SASL_USERNAME/);
  assert.throws(
    () => readMirrorConfig({}),
    /HYBRIDGE_SOURCE_BOOTSTRAP[\s\S]*HYBRIDGE_TARGET_BOOTSTRAP/,
  );
});

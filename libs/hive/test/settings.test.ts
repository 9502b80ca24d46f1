import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "@hybridge/core";
import { hiveOptions, hiveSettings } from "../src/index.ts";

const optionsOf = (env: Record<string, string>) =>
  hiveOptions(readConfig(hiveSettings, env), () => undefined);

test("the settings say where, how and as whom", () => {
  const { host, port, others, transport, auth, settings, password } = optionsOf({
    HYBRIDGE_HIVE: "one:10000, two:10001,[::1]:10002",
    HYBRIDGE_HIVE_TRANSPORT: "http",
    HYBRIDGE_HIVE_PASSWORD: "s3cret",
    HYBRIDGE_HIVE_SETTINGS: "tez.queue.name=etl,hive.x=a,b, c.d=",
  });
  assert.deepEqual(
    [host, port, others, transport, auth],
    [
      "one",
      10000,
      [
        { host: "two", port: 10001 },
        { host: "::1", port: 10002 },
      ],
      "http",
      "plain",
    ],
  );
  assert.deepEqual(settings, { "tez.queue.name": "etl", "hive.x": "a,b", "c.d": "" });
  assert.ok(typeof password === "object" && password.value() === "s3cret");
  assert.doesNotMatch(JSON.stringify(password), /s3cret/);
});

test("settings that contradict each other are refused by name", () => {
  for (const [name, env] of [
    ["HYBRIDGE_HIVE_PASSWORD", { HYBRIDGE_HIVE_AUTH: "NOSASL", HYBRIDGE_HIVE_PASSWORD: "x" }],
    ["HYBRIDGE_HIVE_TLS_CA_FILE", { HYBRIDGE_HIVE_TLS_CA_FILE: "/ca.pem" }],
    ["/nowhere.pem", { HYBRIDGE_HIVE_TLS: "true", HYBRIDGE_HIVE_TLS_CA_FILE: "/nowhere.pem" }],
    [
      "HYBRIDGE_HIVE_TLS_KEY_FILE",
      { HYBRIDGE_HIVE_TLS: "true", HYBRIDGE_HIVE_TLS_CERT_FILE: "/c" },
    ],
    ["HYBRIDGE_HIVE_SETTINGS", { HYBRIDGE_HIVE_SETTINGS: "queue" }],
    ["HYBRIDGE_HIVE_TABLE", { HYBRIDGE_HIVE_TABLE: "a.b" }],
    ["HYBRIDGE_HIVE:", { HYBRIDGE_HIVE: "one:1,two" }],
  ] as const) {
    assert.throws(
      () => optionsOf(env),
      (error) => error instanceof ConfigError && error.message.includes(name),
      name,
    );
  }
});

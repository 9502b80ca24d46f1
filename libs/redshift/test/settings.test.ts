import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "@hybridge/core";
import { redshiftNames, redshiftOptions, redshiftSettings } from "../src/index.ts";

const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redshift-AbC123";
const read = (env: Record<string, string>) =>
  readConfig(
    redshiftSettings,
    Object.fromEntries(
      Object.entries(env).map(([name, value]) => [`HYBRIDGE_REDSHIFT_${name}`, value]),
    ),
  );
const optionsOf = (env: Record<string, string>) => redshiftOptions(read(env), "us-east-1");

test("a workgroup or a cluster is reached as the IAM identity, as a user, or by a secret", () => {
  const where = { region: "us-east-1", database: "dev" };
  assert.deepEqual(optionsOf({}), { ...where, workgroup: "hybridge" });
  assert.deepEqual(optionsOf({ WORKGROUP: "w", SECRET_ARN: secret, REGION: "eu-west-1" }), {
    ...where,
    region: "eu-west-1",
    workgroup: "w",
    secretArn: secret,
  });
  assert.deepEqual(optionsOf({ CLUSTER: "c" }), { ...where, cluster: "c" });
  assert.deepEqual(optionsOf({ CLUSTER: "c", DB_USER: "u", DATABASE: "d" }), {
    ...where,
    database: "d",
    cluster: "c",
    dbUser: "u",
  });
  assert.deepEqual(optionsOf({ CLUSTER: "c", SECRET_ARN: secret, ENDPOINT: "http://h:1/" }), {
    ...where,
    cluster: "c",
    secretArn: secret,
    endpoint: "http://h:1",
  });
});

const refused = [
  [{ WORKGROUP: "w", CLUSTER: "c" }, /one of the two/],
  [{ DB_USER: "u" }, /for a cluster/],
  [{ WORKGROUP: "w", DB_USER: "u" }, /for a cluster/],
  [{ CLUSTER: "c", DB_USER: "u", SECRET_ARN: secret }, /names a user already/],
  [{ SECRET_ARN: "hush" }, /must be the ARN/],
  [{ SCHEMA: "Upper" }, /must be in lower case/],
  [{ TABLE: "a\u0001" }, /control characters/],
] as const;

for (const [env, message] of refused) {
  test(`refused at start: ${JSON.stringify(env)}`, () => {
    assert.throws(
      () => optionsOf(env),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test("schema and table have any name that Redshift takes", () => {
  const names = { schema: 'a "raw" tag', table: "user" };
  assert.deepEqual(redshiftNames(read({ SCHEMA: names.schema, TABLE: names.table })), names);
  assert.deepEqual(redshiftNames(read({})), { schema: "hybridge", table: "tweets" });
  assert.throws(() => redshiftNames(read({ TABLE: "t".repeat(127) })), ConfigError);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, describeSettings, readConfig, setting } from "../src/index.ts";

const settings = {
  HYBRIDGE_RPC_PORT: { schema: setting.port(0), doc: "Port of the gRPC server." },
  HYBRIDGE_KAFKA: { schema: setting.bootstrap(), doc: "Brokers." },
  HYBRIDGE_TOKEN: { schema: setting.optional(), doc: "Token.", secret: true },
  HYBRIDGE_TLS: { schema: setting.flag(false), doc: "TLS." },
  HYBRIDGE_URL: { schema: setting.url("http://127.0.0.1:80/"), doc: "URL." },
} as const;

test("defaults apply and an empty variable counts as not set", () => {
  const config = readConfig(settings, { HYBRIDGE_KAFKA: "a:1,b:2", HYBRIDGE_RPC_PORT: "" });
  assert.equal(config.HYBRIDGE_RPC_PORT, 0);
  assert.equal(config.HYBRIDGE_TLS, false);
  assert.equal(config.HYBRIDGE_URL, "http://127.0.0.1:80");
});

test("every problem is reported at once, with a suggestion for a misspelt name", () => {
  const read = () =>
    readConfig(settings, {
      HYBRIDGE_RPC_PORT: "99999",
      HYBRIDGE_KAFKA: "localhost",
      HYBRIDGE_TLSS: "true",
      PATH: "/bin",
    });
  assert.throws(read, (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /3 settings are wrong/);
    assert.match(error.message, /HYBRIDGE_RPC_PORT: .*0 to 65535.*"99999"/);
    assert.match(error.message, /HYBRIDGE_KAFKA: must be host:port/);
    assert.match(error.message, /HYBRIDGE_TLSS: .*did you mean HYBRIDGE_TLS\?/);
    return true;
  });
});

test("a secret never shows in help", () => {
  assert.doesNotMatch(describeSettings(settings), /undefined/);
  assert.match(describeSettings(settings), /HYBRIDGE_KAFKA {2}\(required\)/);
});

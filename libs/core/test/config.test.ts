import assert from "node:assert/strict";
import { test } from "node:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { ConfigError, describeSettings, readConfig, Secret, setting } from "../src/index.ts";

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

test("a secret is nowhere but in value()", () => {
  const config = readConfig(settings, { HYBRIDGE_KAFKA: "a:1", HYBRIDGE_TOKEN: "s3cret" });
  assert.ok(config.HYBRIDGE_TOKEN instanceof Secret);
  assert.equal(config.HYBRIDGE_TOKEN.value(), "s3cret");
  const shown = `${String(config.HYBRIDGE_TOKEN)} ${JSON.stringify(config)} ${inspect(config)}`;
  assert.doesNotMatch(shown, /s3cret/);
});

test("the file of a secret is read again when it changes, and tolerated while it is away", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-secret-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "token");
  writeFileSync(file, "first\n");
  const { HYBRIDGE_TOKEN: token } = readConfig(settings, {
    HYBRIDGE_KAFKA: "a:1",
    HYBRIDGE_TOKEN_FILE: file,
  });
  assert.equal(token?.value(), "first");
  writeFileSync(file, "second and longer");
  assert.equal(token.value(), "second and longer");
  writeFileSync(file, "");
  assert.equal(token.value(), "second and longer");
  rmSync(file);
  assert.equal(token.value(), "second and longer");
  writeFileSync(file, "third\r\n");
  assert.equal(token.value(), "third");
});

test("a secret's file that is missing, empty or given beside the secret is a problem by name", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-secret-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const empty = join(dir, "empty");
  writeFileSync(empty, "\n");
  const read = (env: Record<string, string>) => () =>
    readConfig(settings, { HYBRIDGE_KAFKA: "a:1", ...env });
  assert.throws(read({ HYBRIDGE_TOKEN_FILE: join(dir, "none") }), /HYBRIDGE_TOKEN_FILE: .*none/);
  assert.throws(read({ HYBRIDGE_TOKEN_FILE: empty }), /HYBRIDGE_TOKEN_FILE: .*it is empty/);
  assert.throws(read({ HYBRIDGE_TOKEN_FILE: empty, HYBRIDGE_TOKEN: "x" }), /only one of the two/);
});

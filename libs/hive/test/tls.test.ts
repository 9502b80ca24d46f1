import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError, tlsFiles } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openCertificateAuthority } from "@hybridge/local";
import { HiveLoginError, openHive, type HiveOptions } from "../src/index.ts";
import { startFakeHive, type FakeHive } from "../src/testing/index.ts";

const dir = mkdtempSync(join(tmpdir(), "hybridge-tls-"));
after(() => rmSync(dir, { recursive: true }));
const authority = openCertificateAuthority(join(dir, "ca"));
const [one, two] = [authority.issue("one"), authority.issue("two")];
const ca = readFileSync(authority.caFile, "utf8");

async function select(fake: FakeHive, tls: HiveOptions["tls"]): Promise<number> {
  const signal = AbortSignal.timeout(10_000);
  const options = { host: "127.0.0.1", port: fake.port };
  await using hive = openHive(tls ? { ...options, tls } : options);
  await using result = await hive.execute("SELECT 1", { signal });
  let rows = 0;
  for await (const { rowCount } of result.batches) rows += rowCount;
  return rows;
}

test("TLS is checked: the CA and the name must fit", async () => {
  const tls = { key: readFileSync(one.keyFile, "utf8"), cert: readFileSync(one.certFile, "utf8") };
  const answer = () => ({ columns: [{ name: "n", type: "int" as const }], rows: [[1]] });
  await using fake = await startFakeHive({ answer, tls });
  assert.equal(await select(fake, { ca, serverName: "localhost" }), 1);
  assert.equal(await select(fake, () => ({ ca })), 1);
  await assert.rejects(select(fake, {}), HiveLoginError);
  await assert.rejects(select(fake, { ca, serverName: "other" }), HiveLoginError);
});

test("files are read again when they change, and a torn change is waited out", () => {
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  copyFileSync(one.certFile, cert);
  copyFileSync(one.keyFile, key);
  const config = { X_TLS_CA_FILE: authority.caFile, X_TLS_CERT_FILE: cert, X_TLS_KEY_FILE: key };
  const told = collectEvents();
  const read = tlsFiles(config, "X", told.emit);
  const before = read();
  const isFormer = () => read() === before;
  assert.ok(isFormer());

  copyFileSync(two.certFile, cert);
  assert.ok(isFormer() && isFormer(), "the key does not fit yet");
  assert.deepEqual(told.names(), ["tls.files_unusable"]);
  assert.match(told.events[0]?.message ?? "", /X_TLS_KEY_FILE=/);
  writeFileSync(key, "");
  assert.ok(isFormer(), "the key is empty");
  rmSync(key);
  assert.ok(isFormer(), "the key is not there");
  copyFileSync(two.keyFile, key);
  assert.ok(!isFormer());
  assert.equal(read().cert, readFileSync(two.certFile, "utf8").trimEnd());
  assert.equal(told.names().length, 3);

  const torn = { ...config, X_TLS_KEY_FILE: one.keyFile };
  assert.throws(() => tlsFiles(torn, "X"), ConfigError);
});

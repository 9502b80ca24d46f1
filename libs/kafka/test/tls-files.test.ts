import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { collectEvents } from "@hybridge/core/testing";
import { tlsFromFiles } from "../src/tls-files.ts";

const dir = mkdtempSync(join(tmpdir(), "hybridge-tls-files-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const at = (name: string) => join(dir, name);
function makeCertificate(name: string): void {
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-subj", `/CN=${name}`, "-days", "2", "-keyout", at("key.pem"), "-out", at("cert.pem")],
    ],
    { stdio: "ignore" },
  );
}
const files = {
  ca: { setting: "P_TLS_CA_FILE", path: at("cert.pem") },
  cert: { setting: "P_TLS_CERT_FILE", path: at("cert.pem") },
  key: { setting: "P_TLS_KEY_FILE", path: at("key.pem") },
};

test("new files count at the next connection, half-written ones do not, and that is told once", () => {
  makeCertificate("first");
  const collected = collectEvents();
  const options = tlsFromFiles(files, collected.emit);
  const first = readFileSync(at("cert.pem"));
  assert.deepEqual(options().cert, first);
  writeFileSync(at("cert.pem"), first.subarray(0, 100));
  assert.deepEqual([options().cert, options().cert], [first, first]);
  assert.deepEqual(collected.names(), ["kafka.certificates_unusable"]);
  makeCertificate("second");
  assert.deepEqual(options().cert, readFileSync(at("cert.pem")));
  assert.notDeepEqual(options().cert, first);
  assert.equal(collected.names().length, 1);
});

test("files that cannot be used at the start are named with their settings", () => {
  const missing = { key: { setting: "P_TLS_KEY_FILE", path: at("nowhere.pem") } };
  assert.throws(() => tlsFromFiles(missing), { code: "CONFIG", message: /P_TLS_KEY_FILE/ });
  writeFileSync(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n");
  const broken = { cert: { setting: "P_TLS_CERT_FILE", path: at("broken.pem") } };
  assert.throws(() => tlsFromFiles(broken), { code: "CONFIG", message: /P_TLS_CERT_FILE/ });
});

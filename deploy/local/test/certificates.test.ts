import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { test } from "node:test";
import type { AddressInfo } from "node:net";
import { openCertificateAuthority } from "../src/certificates.ts";

test("certificates of the authority carry TLS both ways, and last over a restart", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-ca-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const authority = openCertificateAuthority(dir);
  const server = authority.issue("server", { hosts: ["namenode.example"] });
  const client = openCertificateAuthority(dir).issue("client");
  assert.deepEqual(openCertificateAuthority(dir).issue("server"), server);
  assert.equal(statSync(server.keyFile).mode & 0o077, 0);

  const ca = readFileSync(authority.caFile);
  const certificate = new X509Certificate(readFileSync(server.certFile));
  assert.equal(certificate.checkHost("namenode.example"), "namenode.example");
  assert.equal(certificate.checkIP("127.0.0.1"), "127.0.0.1");
  assert.ok(certificate.verify(new X509Certificate(ca).publicKey));

  // The PKCS #12 file holds the same pair: Node's own reader opens it.
  const pfx = readFileSync(server.storeFile);
  const options = { pfx, passphrase: server.storePassword, ca, requestCert: true };
  const listening = createServer({ ...options, rejectUnauthorized: true }, (socket) => {
    socket.end(String(socket.getPeerCertificate().subject.CN));
  }).listen(0, "127.0.0.1");
  t.after(() => listening.close());
  await new Promise((resolve) => listening.once("listening", resolve));
  const { port } = listening.address() as AddressInfo;
  const cert = readFileSync(client.certFile);
  const key = readFileSync(client.keyFile);
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", ca, cert, key });
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  assert.equal(answer, "client");
});

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type ConnectionOptions } from "node:tls";
import { readConfig } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openCertificateAuthority, type IssuedCertificate } from "@hybridge/local";
import {
  QueryServiceClient,
  QueryServiceService,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import {
  callUnary,
  createClient,
  rpcSettings,
  serverStream,
  startRpcServer,
  unary,
} from "../src/index.ts";

const dir = mkdtempSync(join(tmpdir(), "hybridge-rpc-tls-"));
after(() => rmSync(dir, { recursive: true }));
const authority = openCertificateAuthority(join(dir, "ca"));
const other = openCertificateAuthority(join(dir, "other"));
const [first, second] = [authority.issue("first"), authority.issue("second")];
const ca = readFileSync(authority.caFile, "utf8");
const caFile = join(dir, "ca.pem");
const cert = join(dir, "cert.pem");
const key = join(dir, "key.pem");
// Node gives each of its warnings once in a process.
const warned: string[] = [];
process.on("warning", ({ message }) => warned.push(message));

async function serve(further: Readonly<Record<string, string>> = {}) {
  copyFileSync(first.certFile, cert);
  copyFileSync(first.keyFile, key);
  const collected = collectEvents();
  const env = { HYBRIDGE_RPC_TLS_CERT_FILE: cert, HYBRIDGE_RPC_TLS_KEY_FILE: key, ...further };
  const getStatus = unary(() =>
    Promise.resolve({ state: "", reason: "", engines: [], queries: 0n, failed: 0n }),
  );
  const execute = serverStream(() => nothing());
  const server = await startRpcServer({
    config: readConfig(rpcSettings, env),
    services: [{ definition: QueryServiceService, implementation: { getStatus, execute } }],
    emit: collected.emit,
  });
  return { ...server, told: () => collected.names() };
}

async function* nothing(): AsyncGenerator {}

/** The serial number of the certificate that a new connection is shown, once it is let in. */
async function shown(address: string, options: ConnectionOptions = {}): Promise<string> {
  const port = Number(address.split(":")[1]);
  const socket = connect({ host: "127.0.0.1", port, ca, ALPNProtocols: ["h2"], ...options });
  try {
    // The server speaks first in HTTP/2, after it has judged the certificate of this side.
    const signal = AbortSignal.timeout(10_000);
    const isRefused = once(socket, "close", { signal }).then(() => true);
    const isLetIn = once(socket, "data", { signal }).then(() => false);
    assert.ok(!(await Promise.race([isLetIn, isRefused])), "the server ended the connection");
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

function serialOf({ certFile }: IssuedCertificate): string {
  return new X509Certificate(readFileSync(certFile)).serialNumber;
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!(await holds())) await sleep(50, undefined, { signal });
}

test("a renewed certificate is shown to new connections, a half-renewed one to none", async () => {
  await using server = await serve();
  const client = createClient(QueryServiceClient, server.address, { ca });
  const call = () => callUnary(client.getStatus.bind(client), {}, { deadlineMs: 5_000 });
  await call();
  assert.equal(await shown(server.address), serialOf(first));
  copyFileSync(second.certFile, cert);
  await until(() => server.told().includes("tls.files_unusable"));
  assert.equal(await shown(server.address), serialOf(first), "the key does not fit yet");
  copyFileSync(second.keyFile, key);
  await until(async () => (await shown(server.address)) === serialOf(second));
  await call();
  client.close();
});

test("a certificate has to be of the address that is called, also where that is no name", async () => {
  await using server = await serve({ HYBRIDGE_RPC_HOST: "0.0.0.0" });
  const port = server.address.split(":")[1] ?? "";
  const call = async (host: string) => {
    const client = createClient(QueryServiceClient, `${host}:${port}`, { ca });
    try {
      await callUnary(client.getStatus.bind(client), {}, { deadlineMs: 5_000 });
    } finally {
      client.close();
    }
  };
  await call("127.0.0.1");
  await call("localhost");
  await assert.rejects(call("127.0.0.2"), { status: "UNAVAILABLE" });
  assert.deepEqual(warned, []);
});

test("callers whose authority was taken out of the file are let in no longer", async () => {
  copyFileSync(authority.caFile, caFile);
  await using server = await serve({ HYBRIDGE_RPC_TLS_CA_FILE: caFile });
  const caller = authority.issue("caller");
  const mine = { cert: readFileSync(caller.certFile), key: readFileSync(caller.keyFile) };
  const isLetIn = (options?: ConnectionOptions) =>
    shown(server.address, options).then(
      () => true,
      () => false,
    );
  assert.deepEqual([await isLetIn(mine), await isLetIn()], [true, false]);
  copyFileSync(other.caFile, caFile);
  await until(async () => !(await isLetIn(mine)));
});

test("an authority without a certificate is refused, and files that cannot be used", async () => {
  const config = readConfig(rpcSettings, { HYBRIDGE_RPC_TLS_CA_FILE: authority.caFile });
  const { emit } = collectEvents();
  await assert.rejects(startRpcServer({ config, services: [], emit }), { code: "CONFIG" });
  const missing = serve({ HYBRIDGE_RPC_TLS_KEY_FILE: join(dir, "nowhere.pem") });
  await assert.rejects(missing, { code: "CONFIG", message: /HYBRIDGE_RPC_TLS_KEY_FILE/ });
});

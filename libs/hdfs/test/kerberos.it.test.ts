// Delegation tokens on a HDFS with Kerberos, whose WebHDFS is https, as such clusters have it.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HybridgeError, retry, Secret, systemClock } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { localFile } from "@hybridge/landing/testing";
import {
  openCertificateAuthority,
  startHdfs,
  startKdc,
  type Hdfs,
  type Kdc,
} from "@hybridge/local";
import {
  HdfsRefusedError,
  hdfsTableStore,
  HdfsTokenError,
  openWebHdfs,
  type WebHdfs,
  type WebHdfsOptions,
} from "../src/index.ts";

const DAY_MS = 86_400_000;
const signal = AbortSignal.timeout(600_000);
const directory = mkdtempSync(join(tmpdir(), "hybridge-hdfs-kerberos-"));
const authority = openCertificateAuthority(join(directory, "ca"));
const tokenFile = join(directory, "token");
const scope = new AsyncDisposableStack();
let kdc: Kdc;
let hdfs: Hdfs;
let token: string;

before(async () => {
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  kdc = scope.use(await startKdc({ dir: join(directory, "kdc"), users: ["warehouse"], signal }));
  const certificate = authority.issue("server");
  hdfs = scope.use(
    await startHdfs({
      dir: join(directory, "hdfs"),
      tls: { caFile: authority.caFile, certificate },
      ...kdc.hdfs,
      signal,
    }),
  );
  // The superuser of that HDFS makes the folder of the warehouse.
  await using admin = clientOf({ token: Secret.of(await fetchToken("hdfs/localhost")) });
  await retry(() => admin.makeFolders("/hybridge", signal), { signal, tries: 60, maxMs: 1_000 });
  await admin.setPermission("/hybridge", "777", signal);
  token = await fetchToken("warehouse");
  writeFileSync(tokenFile, `${token}\n`);
});

after(() => scope.disposeAsync());

function fetchToken(user: string): Promise<string> {
  return kdc.delegationToken(user, { dir: join(directory, "hdfs"), fs: hdfs.addresses.fs }, signal);
}

function clientOf(options: Partial<WebHdfsOptions>): WebHdfs {
  return openWebHdfs({
    url: hdfs.addresses.webhdfs,
    user: "nobody",
    tls: () => ({ ca: readFileSync(authority.caFile, "utf8") }),
    ...options,
  });
}

function isTokenError(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof HdfsTokenError, String(error));
    assert.equal(error.retry, "backoff", "another one may come into the file");
    assert.match(error.message, pattern);
    assert.match(error.message, /HYBRIDGE_HDFS_DELEGATION_TOKEN/);
    assert.ok(!error.message.includes(token), "no token is shown");
    return true;
  };
}

async function publish(client: WebHdfs, name: string): Promise<string> {
  const store = hdfsTableStore(client, "/hybridge");
  await store.upload(`_staging/${name}`, await localFile(directory, "x".repeat(100_000)), signal);
  await store.move(`_staging/${name}`, name, signal);
  return store.locationOf(name);
}

test("without a token nobody gets in", async () => {
  await using client = clientOf({ user: "warehouse" });
  await assert.rejects(client.status("/", signal), (error) => {
    assert.ok(error instanceof HybridgeError, String(error));
    assert.match(error.message, /401|Authentication required|SecurityException/);
    return true;
  });
});

test("the right token lands files, as its owner and with its owner's rights", async () => {
  await using client = clientOf({ token: Secret.fromFile(tokenFile) });
  // Nobody but the NameNode knows when it has its DataNode.
  const attempt = () => publish(client, "first");
  const location = await retry(attempt, { signal, tries: 60, maxMs: 1_000 });
  assert.equal((await client.read(location, signal)).length, 100_000);
  await assert.rejects(client.makeFolders("/elsewhere", signal), (error) => {
    return error instanceof HdfsRefusedError && /user=warehouse, access=WRITE/.test(error.message);
  });
});

test("a wrong token is refused, and says what it is", async () => {
  const bytes = Buffer.from(token, "base64url");
  // The last byte of the password is before the length and the name of the kind.
  const at = bytes.indexOf("HDFS_DELEGATION_TOKEN") - 2;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await using forged = clientOf({ token: Secret.of(bytes.toString("base64url")) });
  await assert.rejects(forged.status("/hybridge", signal), isTokenError(/issued at .* ends at/));
  await using nonsense = clientOf({ token: Secret.of("nonsense") });
  await assert.rejects(nonsense.status("/hybridge", signal), HybridgeError);
});

test("a token that was cancelled is refused until its file holds another one", async () => {
  await using client = clientOf({ token: Secret.fromFile(tokenFile) });
  await publish(client, "second");
  await cancel(token);
  await assert.rejects(publish(client, "third"), isTokenError(/cache|cancel/));
  token = await fetchToken("warehouse");
  writeFileSync(tokenFile, `${token}\n`);
  await publish(client, "third");
});

test("the end of a token is announced a day before it", async () => {
  const lastingMs = 7 * DAY_MS;
  for (const [aheadMs, announced] of [
    [0, []],
    [lastingMs - DAY_MS / 2, ["hdfs.token_ends"]],
  ] as const) {
    const clock = { ...systemClock, now: () => Date.now() + aheadMs };
    const events = collectEvents();
    await using client = clientOf({ token: Secret.fromFile(tokenFile), emit: events.emit, clock });
    await client.status("/hybridge", signal);
    assert.deepEqual(events.names(), announced);
  }
});

/** By the token itself: no Kerberos is needed for that. */
async function cancel(text: string): Promise<void> {
  const query = new URLSearchParams({ op: "CANCELDELEGATIONTOKEN", token: text, delegation: text });
  const url = `${hdfs.addresses.webhdfs}/webhdfs/v1/?${query.toString()}`;
  const ca = readFileSync(authority.caFile);
  const status = await new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "PUT", ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    outgoing.once("error", reject).end();
  });
  assert.equal(status, 200);
}

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { readAddresses } from "../src/addresses.ts";
import { cloudStatus, type ComponentStatus } from "../src/cloud-status.ts";
import { startDetachedCloud, stopDetachedCloud } from "../src/detached-cloud.ts";
import { identify, isAlive, type ProcessIdentity } from "../src/process-identity.ts";

/*
 * One detached cloud for all of these tests, in this order: each begins with what the one before
 * has left.
 */
const dir = mkdtempSync(join(tmpdir(), "hybridge-cloud-"));
const FILE = "/hybridge/kept.txt";

before(async () => {
  assert.equal(await startDetachedCloud({ dir, freePorts: true }), true);
});

after(async () => {
  await stopDetachedCloud(dir);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

test("every component is healthy, listens on this machine only and fits into 3 GB", async () => {
  const components = await cloudStatus(dir);
  assert.deepEqual(
    components.map(({ name, state }) => [name, state]),
    ["source", "target", "namenode", "datanode", "hive", "s3", "redshift"].map((name) => [
      name,
      "HEALTHY",
    ]),
  );
  for (const { address } of components) assert.match(address, /^(http:\/\/)?127\.0\.0\.1:\d+$/);
  const bytes = components.reduce((sum, component) => sum + component.residentBytes, 0);
  assert.ok(bytes > 500e6 && bytes < 3e9, `${bytes} bytes are resident`);
  assert.match(readAddresses(dir)?.hdfs ?? "", /^hdfs:/);
});

test("starting it again changes nothing", async () => {
  const pids = (await cloudStatus(dir)).map(({ pid }) => pid);
  assert.equal(await startDetachedCloud({ dir, freePorts: true }), false);
  assert.deepEqual(
    (await cloudStatus(dir)).map(({ pid }) => pid),
    pids,
  );
});

test("components that are killed come back on their ports with their data", async () => {
  const addresses = readAddresses(dir);
  await writeFile(FILE, "kept");
  await makeBucket("kept");
  const before = await cloudStatus(dir);
  const victims = before.filter(({ name }) => ["namenode", "s3", "source"].includes(name));
  for (const victim of victims) process.kill(victim.pid ?? 0, "SIGKILL");
  await untilHealthy((now) =>
    victims.every((old) => now.find(({ name }) => name === old.name)?.pid !== old.pid),
  );
  assert.deepEqual(readAddresses(dir), addresses);
  assert.equal(await readFile(FILE), "kept");
  assert.equal(await hasBucket("kept"), true);
});

test("down leaves no process, and up finds the data", async () => {
  const processes = await identities();
  assert.equal(processes.length, 7);
  assert.equal(await stopDetachedCloud(dir), true);
  assert.deepEqual(processes.filter(isAlive), []);
  assert.equal(readAddresses(dir), undefined);
  assert.deepEqual(new Set((await cloudStatus(dir)).map(({ state }) => state)), new Set(["DOWN"]));
  assert.equal(await stopDetachedCloud(dir), false);

  await startDetachedCloud({ dir, freePorts: true });
  assert.equal(await readFile(FILE), "kept");
  assert.equal(await hasBucket("kept"), true);
});

async function identities(): Promise<ProcessIdentity[]> {
  const pids = (await cloudStatus(dir)).map(({ pid }) => pid);
  return pids
    .map((pid) => (pid === undefined ? undefined : identify(pid)))
    .filter((identity) => identity !== undefined);
}

async function untilHealthy(also: (now: readonly ComponentStatus[]) => boolean): Promise<void> {
  for (;;) {
    const now = await cloudStatus(dir);
    if (now.every(({ state }) => state === "HEALTHY") && also(now)) return;
    await delay(250);
  }
}

function webhdfs(path: string, query: string): string {
  return `${readAddresses(dir)?.webhdfs}/webhdfs/v1${path}?user.name=hybridge-test&${query}`;
}

async function writeFile(path: string, text: string): Promise<void> {
  // The root folder belongs to HDFS's superuser: that is who runs this.
  const user = userInfo().username;
  const url = webhdfs(path, "op=CREATE&overwrite=true&noredirect=true");
  const nameNode = await fetch(url.replace("hybridge-test", user), { method: "PUT" });
  const { Location } = (await nameNode.json()) as { Location: string };
  // Not fetch: the DataNode answers 100 Continue to everyone, which fetch takes for an error.
  const dataNode = request(Location, { method: "PUT" }).end(text);
  const [response] = (await once(dataNode, "response")) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 201);
}

async function readFile(path: string): Promise<string> {
  const response = await fetch(webhdfs(path, "op=OPEN"));
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text;
}

async function makeBucket(name: string): Promise<void> {
  const response = await fetch(`${readAddresses(dir)?.s3}/${name}`, { method: "PUT" });
  assert.equal(response.status, 200, await response.text());
}

async function hasBucket(name: string): Promise<boolean> {
  const response = await fetch(`${readAddresses(dir)?.s3}/${name}`, { method: "HEAD" });
  return response.status === 200;
}

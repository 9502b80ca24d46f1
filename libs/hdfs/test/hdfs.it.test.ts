import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HybridgeError } from "@hybridge/core";
import { landingStoreConformance, encodedFile } from "@hybridge/landing/testing";
import { startHdfs, startKms, type Hdfs, type Kms } from "@hybridge/local";
import {
  hdfsLandingStore,
  HdfsFullError,
  HdfsRefusedError,
  openWebHdfs,
  sweepStaging,
  type WebHdfs,
} from "../src/index.ts";
import { otherClient, otherStream } from "./other-client.ts";

const signal = new AbortController().signal;
let directory: string;
let kms: Kms;
let hdfs: Hdfs;
let client: WebHdfs;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-hdfs-"));
  kms = await startKms({ dir: join(directory, "kms") });
  hdfs = await startHdfs({
    dir: join(directory, "hdfs"),
    // Small blocks: files of megabytes have several, and the checksum must cross them.
    blockBytes: 1_048_576,
    // Small pages: what is listed comes in several.
    site: { ...kms.site, "dfs.ls.limit": "3" },
  });
  client = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await hdfs[Symbol.asyncDispose]();
  await kms.stop();
  await rm(directory, { recursive: true, force: true });
});

landingStoreConformance("HDFS", async () => {
  await Promise.resolve();
  return {
    store: hdfsLandingStore(client, "/conformance"),
    reopen: () => Promise.resolve(hdfsLandingStore(client, "/conformance")),
    readBack: async (location) =>
      (await client.status(location, signal)) && (await client.read(location, signal)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

const cut = { topic: "t", partition: 0, first: 0n, last: 9n, decidedAtMs: 1, schema: "t1" };

describe("HDFS itself", () => {
  test("a client that we did not write reads what was published, and finds it read-only", async () => {
    const store = hdfsLandingStore(client, "/other");
    const file = await encodedFile(cut, directory, "2026-11-23T09", "zeile eins\nüñî 🦊\n");
    const landed = await store.publish(file, signal);
    const other = otherClient(hdfs.addresses.webhdfs);
    assert.equal(await other.read(landed.location), "zeile eins\nüñî 🦊\n");
    const [listed] = await other.list(landed.location.replace(/\/[^/]*$/, ""));
    assert.equal(listed?.pathSuffix, file.name.split("/").at(-1));
    assert.equal(listed?.permission, "444");
    assert.deepEqual(await other.list("/other/_staging"), []);
  });

  test("what is killed half way leaves only staged files, which the sweep removes", async () => {
    const content = { bytes: 3, open: () => otherStream("abc") };
    await client.create("/swept/_staging/left", content, signal);
    assert.equal(await sweepStaging(client, "/swept", Date.now() - 3_600_000, signal), 0);
    assert.equal(await sweepStaging(client, "/swept", Date.now() + 1_000, signal), 1);
    assert.equal(await sweepStaging(client, "/nowhere", Date.now(), signal), 0);
  });

  test("HDFS that is down is unavailable, and the same store works when it is back", async () => {
    const store = hdfsLandingStore(client, "/down");
    await store.writeCut(cut, signal);
    await hdfs.dataNode.kill();
    await assert.rejects(store.publish(await large(), signal), isTriedAgain);
    await hdfs.nameNode.kill();
    await assert.rejects(store.readLedger(cut, signal), isTriedAgain);
    await Promise.all([hdfs.nameNode.restart(), hdfs.dataNode.restart()]);
    for (let tries = 0; ; tries++) {
      try {
        await store.publish(await large(), signal);
        break;
      } catch (error) {
        assert.ok(tries < 60 && isTriedAgain(error), String(error));
        await delay(500);
      }
    }
    assert.deepEqual(await store.readLedger(cut, signal), { position: 0n, openCut: cut });
  });

  test("a user without a right is refused for good, with user, right and path", async () => {
    await client.makeFolders("/private/inside", signal);
    await client.setPermission("/private", "700", signal);
    await using stranger = openWebHdfs({ url: hdfs.addresses.webhdfs, user: "stranger" });
    const forbidden = [
      [hdfsLandingStore(stranger, "/forbidden").writeCut(cut, signal), "WRITE", "/"],
      [stranger.status("/private/inside", signal), "EXECUTE", "/private"],
      [stranger.list("/private", "", signal), "READ_EXECUTE", "/private"],
      [stranger.remove("/private/inside", signal), "EXECUTE", "/private"],
      [stranger.create("/mine", { bytes: 1, open: () => otherStream("x") }, signal), "WRITE", "/"],
    ] as const;
    for (const [attempt, right, path] of forbidden) {
      await assert.rejects(attempt, (error) => {
        assert.ok(error instanceof HdfsRefusedError, String(error));
        assert.deepEqual([error.code, error.retry], ["HDFS_REFUSED", "never"]);
        assert.match(error.message, new RegExp(`user=stranger, access=${right}, inode="${path}"`));
        return true;
      });
    }
  });

  test("a quota that is used up is told as such, and writing goes on when it is raised", async () => {
    await client.makeFolders("/small", signal);
    const store = hdfsLandingStore(client, "/small");
    await setQuota("/small", 3_000_000);
    await assert.rejects(store.publish(await large(), signal), isFull(/QuotaExceeded.*quota/s));
    await setQuota("/small", 1_000_000_000);
    await store.publish(await large(), signal);
    await setNameQuota("/small", 1);
    await assert.rejects(store.writeCut(cut, signal), isFull(/QuotaExceeded.*quota/s));
  });

  test("in an encryption zone files are verified and read, and the DataNode has none of it in clear", async () => {
    await kms.makeKey("landing", signal);
    await client.makeFolders("/zone", signal);
    await hdfs.encrypt("/zone", "landing", signal);
    const store = hdfsLandingStore(client, "/zone");
    const text = "the words of a post that nobody may find on a disk\n".repeat(50_000);
    const file = await encodedFile(cut, directory, "2026-11-23T11", text);
    const { location } = await store.publish(file, signal);
    assert.equal((await client.status(location, signal))?.encrypted, true);
    assert.equal((await client.read(location, signal)).toString(), text);
    await store.publish(file, signal);
    await store.writeCut(cut, signal);
    assert.deepEqual(await store.readLedger(cut, signal), { position: 0n, openCut: cut });
    assert.equal(await isOnDisk("that nobody may find"), false);
    assert.equal(await isOnDisk("zeile eins"), true, "what is outside of the zone is");
  });
});

function isFull(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof HdfsFullError, String(error));
    assert.equal(error.retry, "backoff");
    assert.match(error.message, pattern);
    return true;
  };
}

async function setQuota(path: string, bytes: number): Promise<void> {
  await admin(path, `op=SETQUOTA&storagespacequota=${bytes}`);
}

async function setNameQuota(path: string, names: number): Promise<void> {
  await admin(path, `op=SETQUOTA&namespacequota=${names}`);
}

/** What an administrator of HDFS does. */
async function admin(path: string, query: string): Promise<void> {
  const url = `${hdfs.addresses.webhdfs}/webhdfs/v1${path}?user.name=${userInfo().username}&${query}`;
  const response = await fetch(url, { method: "PUT" });
  assert.equal(response.status, 200, await response.text());
}

/** Whether a block on the DataNode's disk holds a text. */
async function isOnDisk(text: string): Promise<boolean> {
  const data = join(directory, "hdfs", "data");
  for (const name of await readdir(data, { recursive: true })) {
    if (!/blk_\d+$/.test(name)) continue;
    if ((await readFile(join(data, name))).includes(text)) return true;
  }
  return false;
}

async function large() {
  return encodedFile(cut, directory, "2026-11-23T10", "x".repeat(3_000_000));
}

function isTriedAgain(error: unknown): boolean {
  assert.ok(error instanceof HybridgeError, String(error));
  assert.equal(error.retry, "backoff", error.message);
  return true;
}

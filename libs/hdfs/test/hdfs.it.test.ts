import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HybridgeError } from "@hybridge/core";
import { localFile, tableStoreConformance } from "@hybridge/landing/testing";
import { startHdfs, startKms, type Hdfs, type Kms } from "@hybridge/local";
import {
  HdfsFullError,
  HdfsRefusedError,
  hdfsTableStore,
  openWebHdfs,
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

tableStoreConformance("HDFS", () => {
  const open = () => hdfsTableStore(client, "/lake/tweets");
  return Promise.resolve({
    store: open(),
    reopen: open,
    async readBack(path) {
      const whole = `/lake/tweets/${path}`;
      return (await client.status(whole, signal)) && (await client.read(whole, signal));
    },
    // Several blocks, the last of them short.
    largeBytes: 3_500_000,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

describe("HDFS itself", () => {
  test("a client that we did not write reads what was uploaded, and finds it read-only", async () => {
    const store = hdfsTableStore(client, "/other");
    const content = "zeile eins\nüñî 🦊\n";
    await store.upload("_staging/1/0", await localFile(directory, content), signal);
    await store.move("_staging/1/0", "dt=2026-11-23/hr=09/one", signal);
    const other = otherClient(hdfs.addresses.webhdfs);
    const location = store.locationOf("dt=2026-11-23/hr=09/one");
    assert.equal(await other.read(location), content);
    const [listed] = await other.list(location.replace(/\/[^/]*$/, ""));
    assert.equal(listed?.pathSuffix, "one");
    assert.equal(listed.permission, "444");
    assert.deepEqual(await other.list("/other/_staging/1"), []);
  });

  test("HDFS that is down is unavailable, and the same store works when it is back", async () => {
    const store = hdfsTableStore(client, "/down");
    const large = await localFile(directory, "x".repeat(3_000_000));
    await store.create("small", Buffer.from("small"), signal);
    await hdfs.dataNode.kill();
    await assert.rejects(store.upload("large", large, signal), isTriedAgain);
    await hdfs.nameNode.kill();
    await assert.rejects(store.read("small", signal), isTriedAgain);
    await Promise.all([hdfs.nameNode.restart(), hdfs.dataNode.restart()]);
    for (let tries = 0; ; tries++) {
      try {
        await store.upload("large", large, signal);
        break;
      } catch (error) {
        assert.ok(tries < 60 && isTriedAgain(error), String(error));
        await delay(500);
      }
    }
    assert.equal(await store.size("large", signal), 3_000_000);
    assert.equal(String(await store.read("small", signal)), "small");
  });

  test("a user without a right is refused for good, with user, right and path", async () => {
    await client.makeFolders("/private/inside", signal);
    await client.setPermission("/private", "700", signal);
    await using stranger = openWebHdfs({ url: hdfs.addresses.webhdfs, user: "stranger" });
    const content = { bytes: 1, open: () => otherStream("x") };
    const store = hdfsTableStore(stranger, "/forbidden");
    const forbidden = [
      [() => store.create("a", Buffer.from("a"), signal), "WRITE", "/"],
      [() => stranger.status("/private/inside", signal), "EXECUTE", "/private"],
      [() => stranger.list("/private", "", signal), "READ_EXECUTE", "/private"],
      [() => stranger.remove("/private/inside", signal), "EXECUTE", "/private"],
      [() => stranger.create("/mine", content, signal), "WRITE", "/"],
    ] as const;
    for (const [attempt, right, path] of forbidden) {
      await assert.rejects(attempt(), (error) => {
        assert.ok(error instanceof HdfsRefusedError, String(error));
        assert.deepEqual([error.code, error.retry], ["HDFS_REFUSED", "never"]);
        assert.match(error.message, new RegExp(`user=stranger, access=${right}, inode="${path}"`));
        return true;
      });
    }
  });

  test("a quota that is used up is told as such, and writing goes on when it is raised", async () => {
    await client.makeFolders("/small", signal);
    const store = hdfsTableStore(client, "/small");
    const large = await localFile(directory, "x".repeat(3_000_000));
    await setQuota("/small", "storagespacequota=3000000");
    await assert.rejects(store.upload("large", large, signal), isFull);
    await setQuota("/small", "storagespacequota=1000000000");
    await store.upload("large", large, signal);
    await setQuota("/small", "namespacequota=1");
    await assert.rejects(store.create("one", Buffer.from("1"), signal), isFull);
  });

  test("in an encryption zone files are verified and read, and the DataNode has none of it in clear", async () => {
    await kms.makeKey("landing", signal);
    await client.makeFolders("/zone", signal);
    await hdfs.encrypt("/zone", "landing", signal);
    const text = "the words of a post that nobody may find on a disk\n".repeat(50_000);
    const file = await localFile(directory, text);
    for (const folder of ["/zone", "/clear"]) {
      const store = hdfsTableStore(client, folder);
      await store.upload("_staging/1/0", file, signal);
      await store.move("_staging/1/0", "dt=2026-11-23/hr=11/one", signal);
      const location = store.locationOf("dt=2026-11-23/hr=11/one");
      const isEncrypted = folder === "/zone";
      assert.equal((await client.status(location, signal))?.encrypted, isEncrypted);
      assert.equal(String(await client.read(location, signal)), text);
      assert.equal(await isOnDisk("that nobody may find"), !isEncrypted, folder);
    }
  });
});

function isFull(error: unknown): boolean {
  assert.ok(error instanceof HdfsFullError, String(error));
  assert.equal(error.retry, "backoff");
  assert.match(error.message, /QuotaExceeded.*quota/s);
  return true;
}

/** What an administrator of HDFS does. */
async function setQuota(path: string, quota: string): Promise<void> {
  const user = userInfo().username;
  const url = `${hdfs.addresses.webhdfs}/webhdfs/v1${path}?user.name=${user}&op=SETQUOTA&${quota}`;
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

function isTriedAgain(error: unknown): boolean {
  assert.ok(error instanceof HybridgeError, String(error));
  assert.equal(error.retry, "backoff", error.message);
  return true;
}

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HybridgeError } from "@hybridge/core";
import { localFile, tableStoreConformance } from "@hybridge/landing/testing";
import { startHdfs, type Hdfs } from "@hybridge/local";
import { hdfsTableStore, openWebHdfs, type WebHdfs } from "../src/index.ts";
import { otherClient } from "./other-client.ts";

const signal = new AbortController().signal;
let directory: string;
let hdfs: Hdfs;
let client: WebHdfs;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-hdfs-"));
  // Small blocks: files of megabytes have several, and the checksum must cross them.
  hdfs = await startHdfs({ dir: join(directory, "hdfs"), blockBytes: 1_048_576 });
  client = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await hdfs[Symbol.asyncDispose]();
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

  test("a folder that may not be written is refused for good", async () => {
    await using stranger = openWebHdfs({ url: hdfs.addresses.webhdfs, user: "stranger" });
    const store = hdfsTableStore(stranger, "/forbidden");
    await assert.rejects(store.create("a", Buffer.from("a"), signal), (error) => {
      assert.ok(error instanceof HybridgeError);
      assert.deepEqual([error.code, error.retry], ["HDFS_REFUSED", "never"]);
      return true;
    });
  });
});

function isTriedAgain(error: unknown): boolean {
  assert.ok(error instanceof HybridgeError, String(error));
  assert.equal(error.retry, "backoff", error.message);
  return true;
}

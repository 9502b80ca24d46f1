import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HybridgeError } from "@hybridge/core";
import { landingStoreConformance, encodedFile } from "@hybridge/landing/testing";
import { startHdfs, type Hdfs } from "@hybridge/local";
import { hdfsLandingStore, openWebHdfs, sweepStaging, type WebHdfs } from "../src/index.ts";
import { otherClient, otherStream } from "./other-client.ts";

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

  test("a folder that may not be written is refused for good", async () => {
    await using stranger = openWebHdfs({ url: hdfs.addresses.webhdfs, user: "stranger" });
    const store = hdfsLandingStore(stranger, "/forbidden");
    await assert.rejects(store.writeCut(cut, signal), (error) => {
      assert.ok(error instanceof HybridgeError);
      assert.deepEqual([error.code, error.retry], ["HDFS_REFUSED", "never"]);
      return true;
    });
  });
});

async function large() {
  return encodedFile(cut, directory, "2026-11-23T10", "x".repeat(3_000_000));
}

function isTriedAgain(error: unknown): boolean {
  assert.ok(error instanceof HybridgeError, String(error));
  assert.equal(error.retry, "backoff", error.message);
  return true;
}

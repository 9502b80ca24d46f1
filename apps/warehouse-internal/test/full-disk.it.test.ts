import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { hdfsTableStore, openWebHdfs } from "@hybridge/hdfs";
import { startHdfs, startKafka } from "@hybridge/local";
import { landedFiles, startWarehouse, writePosts, type Written } from "@hybridge/warehouse/testing";
import { rowsInHdfs } from "./read-back.ts";

const signal = new AbortController().signal;
const FOLDER = "/hybridge-full";
const SMALL_BYTES = 33_554_432;
/** A DataNode keeps this free (dfs.datanode.round-robin-volume-choosing-policy.additional-available-space). */
const RESERVE_BYTES = 1_073_741_824;

/** A file system of its own in memory, unmounted after the test. @returns why it cannot be had */
function mountSmallDisk(context: TestContext, at: string, size: number): string | undefined {
  mkdirSync(at, { recursive: true });
  try {
    const options = ["-t", "tmpfs", "-o", `size=${size}`];
    execFileSync("mount", [...options, "tmpfs", at], { stdio: "pipe" });
  } catch (error) {
    return `a small disk cannot be mounted here: ${String(error).split("\n")[0]}`;
  }
  context.after(() => void execFileSync("umount", ["-l", at]));
  return undefined;
}

/** Takes the room of a disk but some; the result gives it back. */
function fill(at: string, leaveBytes: number): () => void {
  const file = join(at, "filler");
  const { bavail, bsize } = statfsSync(at);
  writeFileSync(file, Buffer.alloc(bavail * bsize - leaveBytes));
  return () => rmSync(file);
}

function hasFiles(directory: string): boolean {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.some((entry) => entry.isFile());
}

test("a full disk is named, and landing goes on when there is room again", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "hybridge-full-"));
  const dataDir = join(directory, "blocks");
  const staging = join(directory, "staging");
  const problem =
    mountSmallDisk(context, dataDir, RESERVE_BYTES + SMALL_BYTES) ??
    mountSmallDisk(context, staging, SMALL_BYTES);
  // After the disks are unmounted: hooks run in the order in which they were given.
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  if (problem !== undefined) {
    context.skip(problem);
    return;
  }
  await using kafka = await startKafka({ dir: join(directory, "kafka") });
  // A DataNode takes a block only if a whole one would fit: blocks must be far below the disk.
  const blockBytes = 1_048_576;
  await using hdfs = await startHdfs({ dir: join(directory, "hdfs"), dataDir, blockBytes });
  await using client = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
  const cluster = { bootstrap: kafka.addresses.bootstrap, clientId: "test" };
  const written: Written = { rows: [], gone: [], bad: [] };
  await writePosts(cluster, written, 100, signal);
  await using service = startWarehouse("warehouse-internal", {
    HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
    HYBRIDGE_WEBHDFS_URL: hdfs.addresses.webhdfs,
    HYBRIDGE_HDFS_DIR: FOLDER,
    // Nothing answers there: raw data lands without Hive.
    HYBRIDGE_HIVE: "127.0.0.1:1",
    HYBRIDGE_FLUSH_INTERVAL_MS: "200",
    HYBRIDGE_STAGING_DIR: staging,
  });
  const landed = () =>
    service.until(({ partitions }) => {
      const end = partitions.reduce((sum, one) => sum + Number(one.endOffset), 0);
      const all = written.rows.length + written.bad.length;
      return end >= all && partitions.every((one) => one.lag === 0n);
    });
  await landed();

  const freeBlocks = fill(dataDir, RESERVE_BYTES);
  await writePosts(cluster, written, 100, signal);
  const full = await service.until(({ reason }) => /store: .*room/.test(reason));
  assert.equal(full.state, "DEGRADED");
  freeBlocks();
  await landed();

  // Files of the flush before must be gone, or their room is free a moment later.
  while (hasFiles(staging)) await new Promise((resolve) => setTimeout(resolve, 50));
  const freeStaging = fill(staging, 0);
  await writePosts(cluster, written, 100, signal);
  await service.until(({ reason }) => /encoder: .*no space left in the staging/.test(reason));
  freeStaging();
  const after = await landed();
  assert.doesNotMatch(after.reason, /store|encoder/);

  service.kill("SIGTERM");
  assert.deepEqual(await service.ended, { code: 0, signal: null });
  const scratch = join(directory, "scratch");
  assert.deepEqual(await rowsInHdfs(client, FOLDER, scratch, signal), written.rows.sort());
  const { deadLetters } = await landedFiles(hdfsTableStore(client, `${FOLDER}/tweets`), signal);
  assert.deepEqual(deadLetters, written.bad.sort());
});

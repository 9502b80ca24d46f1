import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  CreateBucketCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { startS3 } from "../src/s3.ts";

const KILLS = 4;
const WRITERS = 8;
const Bucket = "killed";

test("S3 that is killed while it writes comes back with all that it acknowledged", async (t) => {
  const seed = Number(process.env["HYBRIDGE_TEST_SEED"] ?? Date.now() % 1e6);
  t.diagnostic(`seed ${seed} (HYBRIDGE_TEST_SEED=${seed} repeats it)`);
  const random = randomFrom(seed);
  const dir = mkdtempSync(join(tmpdir(), "hybridge-s3-killed-"));
  try {
    await using s3 = await startS3({ dir });
    const client = clientOf(s3.addresses.endpoint);
    await client.send(new CreateBucketCommand({ Bucket }));
    const acknowledged = new Map<string, string>();
    for (let round = 0; round < KILLS; round++) {
      const before = acknowledged.size;
      const writing = startWriters(client, round, acknowledged);
      // Not before it writes: a JVM that has just started is slow.
      while (acknowledged.size < before + WRITERS) await delay(1);
      await delay(random() * 100);
      await s3.kill("SIGKILL");
      writing.stop();
      await writing.done;
      await s3.restart();
      await verify(client, acknowledged);
    }
    assert.ok(acknowledged.size > KILLS * WRITERS);
    const log = readFileSync(s3.logFile, "utf8");
    const repairs = log.match(/^(removed|made the index) .*/gm) ?? [];
    t.diagnostic(`${acknowledged.size} objects survived ${KILLS} kills; repaired:`);
    for (const line of repairs) t.diagnostic(line);
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});

function clientOf(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
}

/** Writers that put objects one after another until they are stopped or refused. */
function startWriters(client: S3Client, round: number, acknowledged: Map<string, string>) {
  let stopped = false;
  const write = async (writer: number) => {
    for (let n = 0; !stopped; n++) {
      const Key = `dt=2026-01-01/${round}-${writer}-${n}.txt`;
      const Body = `${Key} `.repeat(1 + ((n * 37) % 2_000));
      try {
        await client.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: "*" }));
      } catch {
        return; // Killed: whether this one is there is not known.
      }
      acknowledged.set(Key, Body);
    }
  };
  const done = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  return {
    done,
    stop: () => {
      stopped = true;
    },
  };
}

async function verify(client: S3Client, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  const listed = new Set<string>();
  for await (const page of paginateListObjectsV2({ client }, { Bucket })) {
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) listed.add(Key);
  }
  const missing = [...acknowledged.keys()].filter((key) => !listed.has(key));
  assert.deepEqual(missing, []);
  // The latest: they were written around the kill.
  for (const [Key, body] of [...acknowledged].slice(-3 * WRITERS)) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await Body?.transformToString(), body);
  }
  const [taken = ""] = [...acknowledged.keys()].slice(-1);
  await assert.rejects(
    client.send(new PutObjectCommand({ Bucket, Key: taken, Body: "other", IfNoneMatch: "*" })),
    (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 412,
  );
}

/** Numbers in [0, 1) that a seed repeats (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

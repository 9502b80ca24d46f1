import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
} from "@aws-sdk/client-s3";
import { localFile, tableStoreConformance } from "@hybridge/landing/testing";
import { startS3 } from "@hybridge/local";
import { openS3, S3BucketError, s3TableStore } from "../src/index.ts";

const signal = new AbortController().signal;
const bucket = "landing";

async function openLocal() {
  const directory = await mkdtemp(join(tmpdir(), "hybridge-s3-"));
  const local = await startS3({ dir: join(directory, "s3"), buckets: [bucket] });
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const s3 = openS3({ endpoint: local.addresses.endpoint, region: "us-east-1", credentials });
  return {
    s3,
    local,
    directory,
    async [Symbol.asyncDispose]() {
      await s3[Symbol.asyncDispose]();
      await local.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

tableStoreConformance("S3", async () => {
  const opened = await openLocal();
  const open = () => s3TableStore(opened.s3, { bucket, prefix: "lake/tweets" });
  return {
    store: open(),
    reopen: open,
    async readBack(path) {
      const Key = `lake/tweets/${path}`;
      const { Body } = await opened.s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    largeBytes: 5_000_000,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
});

test("a file of several parts goes up whole, and one that fails leaves no parts", async () => {
  await using opened = await openLocal();
  const { client } = opened.s3;
  const store = s3TableStore(opened.s3, { bucket, prefix: "lake" });
  const content = randomBytes(70_000_000);
  const file = await localFile(opened.directory, content);
  const { sha256 } = file;
  await store.upload("dt=1/large", file, signal);
  const Key = "lake/dt=1/large";
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
  assert.equal(head.Metadata?.["sha256"], sha256);
  assert.match(head.ETag ?? "", /-5"$/, "five parts");
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
  const found = createHash("sha256").update((await Body?.transformToByteArray()) ?? "");
  assert.equal(found.digest("hex"), sha256);

  const abort = new AbortController();
  const upload = store.upload("dt=1/never", file, abort.signal);
  setImmediate(() => abort.abort(new Error("enough")));
  await assert.rejects(upload, /enough/);
  assert.equal(await store.size("dt=1/never", signal), undefined);
  const left = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  assert.deepEqual(left.Uploads ?? [], []);
});

test("what S3 itself refuses or pages", async () => {
  await using opened = await openLocal();
  const store = s3TableStore(opened.s3, { bucket, prefix: "" });
  const damaged = {
    ...(await localFile(opened.directory, "what was sent")),
    sha256: "00".repeat(32),
  };
  await assert.rejects(store.upload("damaged", damaged, signal));
  assert.equal(await store.size("damaged", signal), undefined);

  const nowhere = s3TableStore(opened.s3, { bucket: "nobody-made-this", prefix: "" });
  await assert.rejects(nowhere.create("a", Buffer.from("a"), signal), S3BucketError);
  await assert.rejects(nowhere.list("a", "", signal), S3BucketError);
  await assert.rejects(nowhere.read("a", signal), S3BucketError);

  // More than S3 gives in one answer.
  const wanted = Array.from({ length: 1_005 }, (_, index) => String(index).padStart(4, "0"));
  for (let from = 0; from < wanted.length; from += 15) {
    const some = wanted.slice(from, from + 15);
    await Promise.all(some.map((name) => store.create(`pages/${name}`, Buffer.from("x"), signal)));
  }
  const found: string[] = [];
  for (;;) {
    const { names, more } = await store.list("pages", found.at(-1) ?? "", signal);
    found.push(...names);
    if (!more) break;
  }
  assert.deepEqual(found, wanted);
});

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
} from "@aws-sdk/client-s3";
import { tableStoreConformance } from "@hybridge/landing/testing";
import { startS3 } from "@hybridge/local";
import { openS3, s3TableStore } from "../src/index.ts";

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
  const sha256 = createHash("sha256").update(content).digest("hex");
  const localPath = join(opened.directory, "large");
  await writeFile(localPath, content);
  await store.upload("dt=1/large", { localPath, bytes: content.length, sha256 }, signal);
  const Key = "lake/dt=1/large";
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
  assert.equal(head.Metadata?.["sha256"], sha256);
  assert.match(head.ETag ?? "", /-5"$/, "five parts");
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
  const found = createHash("sha256").update((await Body?.transformToByteArray()) ?? "");
  assert.equal(found.digest("hex"), sha256);

  const abort = new AbortController();
  const upload = store.upload(
    "dt=1/never",
    { localPath, bytes: content.length, sha256 },
    abort.signal,
  );
  setImmediate(() => abort.abort(new Error("enough")));
  await assert.rejects(upload, /enough/);
  assert.equal(await store.size("dt=1/never", signal), undefined);
  const left = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  assert.deepEqual(left.Uploads ?? [], []);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { retryOf } from "@hybridge/core";
import { landingStoreOver, type BlobStore, type EncodedFile } from "@hybridge/landing";
import { landingStoreConformance } from "@hybridge/landing/testing";
import { startS3, type S3 as LocalS3 } from "@hybridge/local";
import {
  openS3,
  S3BucketError,
  s3Blobs,
  s3LandingStore,
  S3UnavailableError,
} from "../src/index.ts";

const bucket = "landing";
const signal = new AbortController().signal;
let directory: string;
let local: LocalS3;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-s3-"));
  local = await startS3({ dir: join(directory, "s3"), buckets: [bucket] });
});

after(async () => {
  await local.stop();
  await rm(directory, { recursive: true, force: true });
});

function open(endpoint = local.addresses.endpoint) {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  return openS3({ endpoint, region: "us-east-1", credentials });
}

/**
 * S3 decides a conditional write at one point in time. S3Mock looks first and writes later, so of
 * two writes at the same moment both may win: here the second one waits for the first.
 */
function oneWriteAtATime(blobs: BlobStore): BlobStore {
  return {
    ...blobs,
    create: (...call) => inTurn(() => blobs.create(...call)),
    createFromFile: (...call) => inTurn(() => blobs.createFromFile(...call)),
  };
}

let lastWrite: Promise<unknown> = Promise.resolve();

function inTurn<T>(write: () => Promise<T>): Promise<T> {
  const result = lastWrite.then(write);
  lastWrite = result.catch(() => undefined);
  return result;
}

landingStoreConformance("S3", () => {
  const s3 = open();
  const reopen = () =>
    landingStoreOver(oneWriteAtATime(s3Blobs(s3, { bucket, prefix: "conformance" })));
  return Promise.resolve({
    store: reopen(),
    reopen: () => Promise.resolve(reopen()),
    async readBack(location) {
      const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(location);
      const { Body } = await s3.client.send(
        new GetObjectCommand({ Bucket: match?.[1], Key: match?.[2] }),
      );
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    [Symbol.asyncDispose]: () => s3[Symbol.asyncDispose](),
  });
});

describe("files in S3", () => {
  const file = async (content: string): Promise<EncodedFile> => {
    const localPath = join(directory, "file");
    await writeFile(localPath, content);
    const sha256 = createHash("sha256").update(content).digest("hex");
    return { name: "f", localPath, dt: "", hr: "", rows: 1, bytes: content.length, sha256 };
  };

  it("lists a folder page by page, without the folders in it", async () => {
    await using s3 = open();
    const blobs = s3Blobs(s3, { bucket, prefix: "" });
    const wanted: string[] = [];
    for (let index = 0; index < 1005; index += 1) wanted.push(String(index).padStart(4, "0"));
    for (let from = 0; from < wanted.length; from += 15) {
      const some = wanted.slice(from, from + 15);
      await Promise.all(
        some.map((name) => blobs.create(`pages/${name}`, Buffer.from("x"), signal)),
      );
    }
    await blobs.create("pages/0500x/inner", Buffer.from("x"), signal);
    const found: string[] = [];
    for (;;) {
      const { names, more } = await blobs.list("pages", found.at(-1) ?? "", signal);
      found.push(...names);
      if (!more) break;
    }
    assert.deepEqual(found, wanted);
    assert.deepEqual(await blobs.list("pages", "1003", signal), { names: ["1004"], more: false });
    assert.deepEqual(await blobs.list("nothing", "", signal), { names: [], more: false });
  });

  it("refuses content that is not what its checksum says", async () => {
    await using s3 = open();
    const blobs = s3Blobs(s3, { bucket, prefix: "sums" });
    const damaged = { ...(await file("what was sent")), sha256: "00".repeat(32) };
    await assert.rejects(blobs.createFromFile("damaged", damaged, signal));
    assert.equal(await blobs.read("damaged", signal), undefined);
  });

  it("hashes an object that another program wrote without our metadata", async () => {
    await using s3 = open();
    const blobs = s3Blobs(s3, { bucket, prefix: "sums" });
    await blobs.create("plain", Buffer.from("plain"), signal);
    const sha256 = createHash("sha256").update("plain").digest("hex");
    assert.deepEqual(await blobs.describe("plain", signal), { bytes: 5, sha256 });
    assert.equal(await blobs.describe("missing", signal), undefined);
  });

  it("names a bucket that is not there, and does not try again", async () => {
    await using s3 = open();
    const blobs = s3Blobs(s3, { bucket: "nobody-made-this", prefix: "" });
    await assert.rejects(blobs.create("a", Buffer.from("a"), signal), S3BucketError);
    await assert.rejects(blobs.list("a", "", signal), S3BucketError);
    await assert.rejects(blobs.read("a", signal), S3BucketError);
  });

  it("says that a store is away, and that trying again helps", async () => {
    await using s3 = open("http://127.0.0.1:9");
    const blobs = s3Blobs(s3, { bucket, prefix: "" });
    await assert.rejects(blobs.create("a", Buffer.from("a"), signal), (error) => {
      assert.ok(error instanceof S3UnavailableError);
      assert.equal(retryOf(error), "backoff");
      assert.match(error.message, /s3:\/\/landing\/a: http:\/\/127\.0\.0\.1:9: no answer/);
      return true;
    });
    const store = s3LandingStore(s3, { bucket, prefix: "" });
    await assert.rejects(
      store.readLedger({ topic: "t", partition: 0 }, signal),
      S3UnavailableError,
    );
  });
});

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ConfigError, readConfig } from "@hybridge/core";
import { openS3, s3Folder, s3Settings, s3TableStore } from "../src/index.ts";

const signal = new AbortController().signal;
const folderOf = (env: Record<string, string>) => s3Folder(readConfig(s3Settings, env));

test("a key belongs to aws:kms; without encryption the bucket decides", () => {
  assert.deepEqual(folderOf({}), { bucket: "hybridge", prefix: "" });
  const kms = { HYBRIDGE_S3_SSE: "aws:kms", HYBRIDGE_S3_KMS_KEY_ID: "alias/posts" };
  assert.deepEqual(folderOf(kms).encryption, { sse: "aws:kms", kmsKeyId: "alias/posts" });
  assert.throws(() => folderOf({ HYBRIDGE_S3_KMS_KEY_ID: "k" }), ConfigError);
  assert.throws(
    () => folderOf({ HYBRIDGE_S3_SSE: "AES256", HYBRIDGE_S3_KMS_KEY_ID: "k" }),
    /none|AES256/,
  );
});

test("every object is written with the encryption that is set", async () => {
  const seen: (string | string[] | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(
      request.headers["x-amz-server-side-encryption"],
      request.headers["x-amz-server-side-encryption-aws-kms-key-id"],
    );
    request.resume();
    request.on("end", () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  await using s3 = openS3({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    credentials,
  });
  const encryption = { sse: "aws:kms", kmsKeyId: "alias/posts" } as const;
  const folder = { bucket: "b", prefix: "p" };
  const body = Buffer.from("1");
  await s3TableStore(s3, { ...folder, encryption }).create("x", body, signal);
  await s3TableStore(s3, folder).create("x", body, signal);
  server.close();
  assert.deepEqual(seen, ["aws:kms", "alias/posts", undefined, undefined]);
});

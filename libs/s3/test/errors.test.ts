import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { retryOf } from "@hybridge/core";
import { openS3, s3TableStore } from "../src/index.ts";

const signal = new AbortController().signal;

/** An object store that answers everything in one way. */
async function answering(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const s3 = openS3({ endpoint: `http://127.0.0.1:${port}`, region: "us-east-1", credentials });
  return {
    store: s3TableStore(s3, { bucket: "b", prefix: "p" }),
    async [Symbol.asyncDispose]() {
      await s3[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

function failing(status: number, code: string): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(`<Error><Code>${code}</Code><Message>says the store</Message></Error>`);
  };
}

const cases = [
  [403, "AccessDenied", "S3_ACCESS", "never"],
  [403, "SignatureDoesNotMatch", "S3_ACCESS", "never"],
  [404, "NoSuchBucket", "S3_BUCKET", "never"],
  [400, "InvalidArgument", "S3_REQUEST", "never"],
  [409, "ConditionalRequestConflict", "S3_UNAVAILABLE", "backoff"],
  [500, "InternalError", "S3_UNAVAILABLE", "backoff"],
  [503, "SlowDown", "S3_UNAVAILABLE", "backoff"],
] as const;

for (const [status, name, code, advice] of cases) {
  test(`${status} ${name} is ${code}`, async () => {
    await using opened = await answering(failing(status, name));
    await assert.rejects(opened.store.create("f", Buffer.from("x"), signal), (error) => {
      assert.equal((error as { code?: string }).code, code);
      assert.equal(retryOf(error), advice);
      assert.match(String(error), /write s3:\/\/b\/p\/f: .*says the store/);
      return true;
    });
  });
}

test("a write whose first answer was lost finds its own object", async () => {
  const stored = new Set<string>();
  await using opened = await answering((request, response) => {
    request.resume().once("end", () => {
      const lost = !stored.has(request.url ?? "");
      assert.equal(request.headers["if-none-match"], "*");
      if (lost) {
        stored.add(request.url ?? "");
        response.destroy();
      } else failing(412, "PreconditionFailed")(request, response);
    });
  });
  assert.equal(await opened.store.create("f", Buffer.from("x"), signal), "exists");
});

test("an abort ends a request that is not answered, with the caller's reason", async () => {
  await using opened = await answering(() => undefined);
  const reason = new Error("enough");
  const controller = new AbortController();
  const reading = opened.store.read("f", controller.signal);
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(reading, reason);
});

test("a store that is away is named, and trying again helps", async () => {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  await using s3 = openS3({ endpoint: "http://127.0.0.1:9", region: "us-east-1", credentials });
  const store = s3TableStore(s3, { bucket: "landing", prefix: "" });
  await assert.rejects(store.create("a", Buffer.from("a"), signal), (error) => {
    assert.equal(retryOf(error), "backoff");
    assert.match(String(error), /s3:\/\/landing\/a: http:\/\/127\.0\.0\.1:9: no answer/);
    return true;
  });
});

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { HybridgeError } from "@hybridge/core";
import { hdfsLandingStore, openWebHdfs, type WebHdfs } from "../src/index.ts";
import {
  fakeNameNode,
  locationOn,
  remoteException,
  type Answer,
  type FakeNameNode,
} from "./fake-name-node.ts";

const signal = new AbortController().signal;
const content = { bytes: 5, open: () => Readable.from([Buffer.from("hello")]) };
const patient = { idleMs: 20_000, answerMs: 20_000 };
const impatient = { idleMs: 100, answerMs: 100 };

/** Runs a body against a fake NameNode whose uploads go to itself. */
async function against(
  answers: (op: string, url: URL) => Answer | undefined,
  body: (hdfs: WebHdfs, node: FakeNameNode) => Promise<void>,
  timeouts = patient,
): Promise<void> {
  await using node: FakeNameNode = await fakeNameNode((op, url) => {
    return (
      answers(op, url) ?? (op.endsWith(" data") ? { status: 201 } : locationOn(url, () => node))
    );
  });
  await using hdfs = openWebHdfs({ url: node.url, user: "tester", timeouts });
  await body(hdfs, node);
}

function hasCode(code: string, pattern = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof HybridgeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  };
}

test("a rename that the NameNode did not do is an error, though the status is 200", async () => {
  const no: Answer = { status: 200, body: { boolean: false } };
  await against(
    () => no,
    async (hdfs) => {
      await assert.rejects(hdfs.rename("/a", "/b", signal), hasCode("HDFS_UNAVAILABLE", /did not/));
      await assert.rejects(hdfs.makeFolders("/a", signal), hasCode("HDFS_UNAVAILABLE"));
      assert.equal(await hdfs.remove("/a", signal), false);
    },
  );
  await against(
    () => ({ status: 200, body: {} }),
    async (hdfs) => {
      await assert.rejects(hdfs.makeFolders("/a", signal), hasCode("HDFS_PROTOCOL"));
    },
  );
});

test("every status of an upload but 201 is an error", async () => {
  for (const status of [200, 204, 405, 409, 411, 413, 429, 500, 502, 503, 504]) {
    await against(
      (op) => (op === "CREATE data" ? { status, body: "x", type: "text/plain" } : undefined),
      async (hdfs) => {
        const upload = hdfs.create("/a", content, signal);
        await assert.rejects(upload, hasCode(status >= 429 ? "HDFS_UNAVAILABLE" : "HDFS_PROTOCOL"));
      },
    );
  }
});

test("a 503 to the first request of an upload is an error, not a wait for ever", async () => {
  await against(
    (op) => (op === "CREATE" ? { status: 503 } : undefined),
    async (hdfs) => {
      await assert.rejects(hdfs.create("/a", content, signal), hasCode("HDFS_UNAVAILABLE", /503/));
    },
  );
});

test("silence in any phase ends in an error", async () => {
  for (const silent of ["CREATE", "CREATE data", "GETFILESTATUS", "OPEN data"]) {
    await against(
      (op) => (op === silent ? "hang" : undefined),
      async (hdfs) => {
        const work = async () => {
          await hdfs.create("/a", content, signal);
          await hdfs.read("/a", signal);
        };
        const run = silent === "GETFILESTATUS" ? () => hdfs.status("/a", signal) : work;
        if (silent === "OPEN data") await assert.rejects(hdfs.read("/a", signal));
        else await assert.rejects(run(), hasCode("HDFS_UNAVAILABLE", /no answer|nothing moved/));
      },
      impatient,
    );
  }
});

test("a connection that is cut is an error with its cause", async () => {
  await against(
    () => "cut",
    async (hdfs) => {
      await assert.rejects(hdfs.status("/a", signal), (error: Error) => {
        assert.ok(error.cause instanceof Error);
        return hasCode("HDFS_UNAVAILABLE")(error);
      });
    },
  );
});

test("a file is only missing when HDFS says so", async () => {
  await against(
    () => remoteException(404, "FileNotFoundException"),
    async (hdfs) => {
      assert.equal(await hdfs.status("/a", signal), undefined);
    },
  );
  await against(
    () => remoteException(403, "AccessControlException"),
    async (hdfs) => {
      await assert.rejects(hdfs.status("/a", signal), hasCode("HDFS_REFUSED", /AccessControl/));
    },
  );
  await against(
    () => ({ status: 404, body: "<html>no such page</html>", type: "text/html" }),
    async (hdfs) => {
      await assert.rejects(hdfs.status("/a", signal), hasCode("HDFS_PROTOCOL", /no such page/));
    },
  );
});

test("exceptions of Hadoop keep their class and say whether to try again", async () => {
  const cases = [
    [403, "StandbyException", "HDFS_UNAVAILABLE"],
    [403, "SafeModeException", "HDFS_UNAVAILABLE"],
    [403, "RetriableException", "HDFS_UNAVAILABLE"],
    [403, "DSQuotaExceededException", "HDFS_FULL"],
    [403, "FileAlreadyExistsException", "HDFS_REFUSED"],
    [400, "IllegalArgumentException", "HDFS_REFUSED"],
    [401, "SecurityException", "HDFS_REFUSED"],
    [500, "RuntimeException", "HDFS_UNAVAILABLE"],
  ] as const;
  for (const [status, exception, code] of cases) {
    await against(
      () => remoteException(status, exception),
      async (hdfs) => {
        await assert.rejects(hdfs.rename("/a", "/b", signal), hasCode(code, new RegExp(exception)));
      },
    );
  }
  const message = "File /a could only be written to 0 of the 1 minReplication nodes.\n\tat x";
  await against(
    (op) => (op.endsWith(" data") ? remoteException(403, "IOException", message) : undefined),
    async (hdfs) => {
      await assert.rejects(hdfs.create("/a", content, signal), hasCode("HDFS_FULL", /DataNode/));
    },
  );
});

test("an error without a body is still an error of a read", async () => {
  await against(
    (op) => (op === "OPEN data" ? { status: 500 } : undefined),
    async (hdfs) => {
      await assert.rejects(hdfs.read("/a", signal), hasCode("HDFS_UNAVAILABLE", /500/));
    },
  );
});

test("an answer without a Location of a DataNode is refused", async () => {
  for (const body of [{}, { Location: "" }, { Location: "file:///etc/passwd" }]) {
    await against(
      () => ({ status: 200, body }),
      async (hdfs) => {
        await assert.rejects(hdfs.create("/a", content, signal), hasCode("HDFS_PROTOCOL"));
      },
    );
  }
});

test("paths are encoded, and requests say who acts", async () => {
  await against(
    () => ({ status: 200, body: { boolean: true } }),
    async (hdfs, node) => {
      await hdfs.makeFolders("/a b/dt=2026/100%?#+ü", signal);
      assert.equal(
        node.requests[0],
        "PUT /webhdfs/v1/a%20b/dt%3D2026/100%25%3F%23%2B%C3%BC?op=MKDIRS&user.name=tester",
      );
    },
  );
});

test("an abort ends a request with the signal's reason", async () => {
  await against(
    () => "hang",
    async (hdfs) => {
      const stop = new AbortController();
      const request = hdfs.status("/a", stop.signal);
      const reason = new DOMException("enough", "AbortError");
      setTimeout(() => stop.abort(reason), 5);
      await assert.rejects(request, (error) => error === reason);
    },
  );
});

test("a file that HDFS shortened or altered is not published", async () => {
  const status = { type: "FILE", permission: "644", blockSize: 1_048_576, modificationTime: 0 };
  const cut = { topic: "t", partition: 0, first: 0n, last: 1n, decidedAtMs: 0, schema: "1" };
  for (const wrong of ["length", "content"]) {
    await against(
      (op) => {
        const length = wrong === "length" ? 1 : 15;
        if (op === "GETFILESTATUS")
          return { status: 200, body: { FileStatus: { ...status, length } } };
        const bytes = `${"00".repeat(12)}${"ab".repeat(16)}`;
        const checksum = { algorithm: "MD5-of-0MD5-of-512CRC32C", bytes, length: 28 };
        if (op === "GETFILECHECKSUM data") return { status: 200, body: { FileChecksum: checksum } };
        if (op === "MKDIRS" || op === "DELETE") return { status: 200, body: { boolean: true } };
        if (op === "RENAME") assert.fail("it was renamed");
        return undefined;
      },
      async (hdfs, node) => {
        const store = hdfsLandingStore(hdfs, "/root");
        await assert.rejects(store.writeCut(cut, signal), hasCode("HDFS_VERIFICATION"));
        assert.ok(node.requests.some((request) => request.startsWith("DELETE")));
      },
    );
  }
});

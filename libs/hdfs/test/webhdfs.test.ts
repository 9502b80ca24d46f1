import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { inspect } from "node:util";
import { HybridgeError, type HybridgeEvent } from "@hybridge/core";
import { hdfsTableStore, openWebHdfs, type WebHdfs } from "../src/index.ts";
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
        const created = hdfsTableStore(hdfs, "/root").create(
          "f",
          Buffer.from("x".repeat(15)),
          signal,
        );
        await assert.rejects(created, hasCode("HDFS_VERIFICATION"));
        assert.ok(node.requests.some((request) => request.startsWith("DELETE")));
      },
    );
  }
});

test("standby and dead NameNodes are passed over, and the active one is remembered", async () => {
  const ok: Answer = { status: 200, body: { boolean: true } };
  let standbyFirst = true;
  const standby = (answer: Answer) => () =>
    standbyFirst ? remoteException(403, "StandbyException") : answer;
  await using first: FakeNameNode = await fakeNameNode(standby(ok));
  await using second: FakeNameNode = await fakeNameNode(() =>
    standbyFirst ? ok : remoteException(403, "StandbyException"),
  );
  const dead = await fakeNameNode(() => ok);
  await dead[Symbol.asyncDispose]();
  const url = [dead.url, first.url, second.url].join();
  await using hdfs = openWebHdfs({ url, user: "tester", timeouts: patient });
  await hdfs.makeFolders("/a", signal);
  await hdfs.makeFolders("/b", signal);
  assert.deepEqual([first.requests.length, second.requests.length], [1, 2]);
  standbyFirst = false;
  await hdfs.makeFolders("/c", signal);
  assert.equal(first.requests.length, 2);
});

test("a change whose outcome is unknown is not sent to another NameNode", async () => {
  const ok: Answer = { status: 200, body: { boolean: true } };
  await using first = await fakeNameNode(() => "cut");
  await using second = await fakeNameNode(() => ok);
  const url = `${first.url},${second.url}`;
  await using hdfs = openWebHdfs({ url, user: "tester", timeouts: patient });
  await assert.rejects(hdfs.rename("/a", "/b", signal), hasCode("HDFS_UNAVAILABLE"));
  assert.equal(second.requests.length, 0);
  await hdfs.makeFolders("/a", signal);
  assert.equal(second.requests.length, 1);
  await using none = openWebHdfs({
    url: `${first.url},${first.url}`,
    user: "x",
    timeouts: patient,
  });
  await assert.rejects(none.status("/a", signal), hasCode("HDFS_UNAVAILABLE", /no NameNode of/));
});

test("a token is sent instead of a user, read again when refused, and never shown", async () => {
  let [text, accepted, reads] = ["first-token", "second-token", 0];
  const token = {
    value() {
      // The file changes while the first one is refused.
      if (reads++ === 1) text = accepted;
      return text;
    },
  };
  await using node = await fakeNameNode((_, url) =>
    url.searchParams.get("delegation") === accepted && !url.searchParams.has("user.name")
      ? { status: 200, body: { boolean: true } }
      : remoteException(401, "InvalidToken", "token (token for x) can't be found in cache"),
  );
  await using hdfs = openWebHdfs({ url: node.url, user: "tester", token, timeouts: patient });
  await hdfs.makeFolders("/a", signal);
  assert.equal(node.requests.length, 2);
  accepted = "third";
  await assert.rejects(hdfs.makeFolders("/a", signal), (error) => {
    hasCode("HDFS_TOKEN", /HYBRIDGE_HDFS_DELEGATION_TOKEN/)(error);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /second-token/);
    return true;
  });
});

/** A token as Hadoop writes it, with an empty password. */
function tokenText(issuedMs: number, endsMs: number): string {
  const number = (value: number) => {
    const bytes = Buffer.alloc(9);
    bytes.writeInt8(-120, 0); // eight bytes follow
    bytes.writeBigInt64BE(BigInt(value), 1);
    return bytes;
  };
  const name = Buffer.from("\u0005alice\u0004yarn\u0000");
  const identifier = Buffer.concat([Buffer.from([0]), name, number(issuedMs), number(endsMs)]);
  const length = Buffer.from([identifier.length]);
  return Buffer.concat([length, identifier, Buffer.from([0, 0, 0])]).toString("base64url");
}

test("the end of a token is announced in good time", async () => {
  const day = 86_400_000;
  const text = tokenText(1_000_000_000_000, 1_000_000_000_000 + 7 * day);
  let now = 1_000_000_000_000 + 5 * day;
  const clock = { now: () => now, sleep: () => Promise.resolve() };
  const events: HybridgeEvent[] = [];
  const emit = (event: HybridgeEvent) => void events.push(event);
  await using node = await fakeNameNode(() => ({ status: 200, body: { boolean: true } }));
  const token = { value: () => text };
  await using hdfs = openWebHdfs({ url: node.url, user: "x", token, emit, clock });
  await hdfs.makeFolders("/a", signal);
  assert.equal(events.length, 0);
  now += 1.5 * day;
  await hdfs.makeFolders("/a", signal);
  await hdfs.makeFolders("/a", signal);
  assert.deepEqual(
    events.map(({ name }) => name),
    ["hdfs.token_ends"],
  );
  assert.match(events[0]?.message ?? "", /2001-09-16T01:46:40/);
  assert.doesNotMatch(inspect(events), new RegExp(text));
});

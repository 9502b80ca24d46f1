import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { SaslOptions } from "../src/api.ts";
import { AuthenticationError } from "../src/errors.ts";
import { Login } from "../src/wire/login.ts";
import { ProtocolReader } from "../src/wire/reader.ts";
import { ProtocolWriter } from "../src/wire/writer.ts";

const plain = { mechanism: "PLAIN", username: "ann", password: "x" } as const;

/** A broker's side of the exchange, whose answers a test gives out one by one. */
function broker(options: { sasl?: SaslOptions; lifetimeMs?: number; error?: number } = {}) {
  const log: string[] = [];
  const failures: Error[] = [];
  const state = { nowMs: 0, open: true, error: options.error ?? 0 };
  const release: (() => void)[] = [];
  const port = {
    address: "broker:1",
    async request({ name }: { name: string }) {
      log.push(name);
      if (!state.open) await new Promise<void>((resolve) => release.push(resolve));
      return name === "SaslHandshake"
        ? answer(new ProtocolWriter().i16(0).i32(0))
        : answer(
            new ProtocolWriter()
              .i16(state.error)
              .compactString(null)
              .compactBytes(Buffer.alloc(0))
              .i64(BigInt(options.lifetimeMs ?? 10_000)),
          );
    },
    fail(error: Error) {
      failures.push(error);
      login.end(error);
    },
  };
  const sasl = options.sasl ?? plain;
  const { signal } = new AbortController();
  const login = new Login(sasl, port, signal, () => state.nowMs);
  const send = (name: string, until?: AbortSignal) =>
    login.pass(() => {
      log.push(name);
      return Promise.resolve(name);
    }, until);
  const answerAll = async () => {
    for (let count = 0; count < 5; count++) {
      for (const resolve of release.splice(0)) resolve();
      await turn();
    }
  };
  return { log, failures, state, login, send, answerAll };
}

function answer(writer: ProtocolWriter): ProtocolReader {
  return new ProtocolReader(Buffer.concat(writer.chunks()));
}

test("from the handshake to the end of a renewal nothing else is sent, and then in its order", async () => {
  const { log, state, login, send, answerAll } = broker();
  await login.begin();
  await send("before");
  state.nowMs = 9_100;
  state.open = false;
  const first = send("first");
  await turn();
  const rest = ["second", "third"].map((name) => send(name));
  await turn();
  // The one that found the renewal due went ahead of the handshake.
  const exchange = ["SaslHandshake", "SaslAuthenticate"];
  assert.deepEqual(log, [...exchange, "before", "first", "SaslHandshake"]);
  await answerAll();
  await Promise.all([first, ...rest]);
  assert.deepEqual(log.slice(-4), [...exchange, "second", "third"]);
  login.end(new Error("done"));
});

test("after the end of the login even the request that finds it out is held back", async () => {
  const { log, state, login, send } = broker();
  await login.begin();
  state.nowMs = 60_000;
  await send("late");
  assert.deepEqual(log.slice(2), ["SaslHandshake", "SaslAuthenticate", "late"]);
  login.end(new Error("done"));
});

test("a login without an end, and one of a month, are not renewed at once", async () => {
  for (const lifetimeMs of [0, 30 * 86_400_000]) {
    const { log, login, send } = broker({ lifetimeMs });
    await login.begin();
    await turn();
    await send("request");
    assert.deepEqual(log, ["SaslHandshake", "SaslAuthenticate", "request"]);
    login.end(new Error("done"));
  }
});

test("a request that is aborted while it is held back is never sent", async () => {
  const { log, state, login, send, answerAll } = broker();
  await login.begin();
  state.nowMs = 60_000;
  state.open = false;
  const abort = new AbortController();
  const held = send("aborted", abort.signal);
  abort.abort();
  await assert.rejects(held, { name: "AbortError" });
  await answerAll();
  assert.ok(!log.includes("aborted"));
  login.end(new Error("done"));
});

test("a renewal that is refused ends the connection, to be tried again, and what was held back", async () => {
  const { failures, state, login, send } = broker();
  await login.begin();
  state.nowMs = 60_000;
  state.error = 58;
  await assert.rejects(send("held"), { code: "KAFKA_CONNECTION", retry: "backoff" });
  assert.match(String(failures[0]?.cause), /SASL_AUTHENTICATION_FAILED/);
});

test("credentials that were accepted once are tried again when they are refused; others not", async () => {
  const sasl = { ...plain };
  const refused = { code: "KAFKA_AUTHENTICATION" };
  await assert.rejects(broker({ sasl, error: 58 }).login.begin(), { ...refused, retry: "never" });
  const { login } = broker({ sasl });
  await login.begin();
  login.end(new Error("done"));
  await assert.rejects(broker({ sasl, error: 58 }).login.begin(), (error) => {
    assert.ok(error instanceof AuthenticationError);
    return error.retry === "backoff";
  });
});

test("a token that cannot be had when it is due is asked for again, while requests go on", async () => {
  let asked = 0;
  const token = () => {
    asked += 1;
    return asked === 2
      ? Promise.reject(new Error("the token server is away"))
      : Promise.resolve("t");
  };
  const { log, failures, state, login, send } = broker({
    sasl: { mechanism: "OAUTHBEARER", token },
  });
  await login.begin();
  state.nowMs = 9_100;
  await send("first");
  await turn();
  await send("second");
  assert.equal(log.filter((name) => name === "SaslHandshake").length, 1);
  state.nowMs = 10_000;
  await send("third");
  assert.deepEqual(log.slice(-3), ["SaslHandshake", "SaslAuthenticate", "third"]);
  assert.deepEqual([failures, asked], [[], 3]);
  login.end(new Error("done"));
});

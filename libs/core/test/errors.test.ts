import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError, retry, retryOf, UnavailableError } from "../src/index.ts";

test("the first known link of the cause chain decides about retrying", () => {
  const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
  assert.equal(retryOf(new Error("outer", { cause: refused })), "backoff");
  assert.equal(retryOf(new UnavailableError("broker")), "backoff");
  assert.equal(retryOf(new TypeError("bug")), "never");
});

test("a description joins the causes and repeats nothing", () => {
  const error = new UnavailableError("cannot reach a", { cause: new Error("refused") });
  assert.equal(describeError(error), "cannot reach a: refused");
  assert.equal(
    describeError(new Error("x: refused", { cause: new Error("refused") })),
    "x: refused",
  );
});

test("retry stops at an error that does not get better", async () => {
  let tries = 0;
  const attempt = retry(
    () => {
      tries += 1;
      return Promise.reject(tries < 3 ? new UnavailableError("later") : new TypeError("bug"));
    },
    { signal: new AbortController().signal, baseMs: 1 },
  );
  await assert.rejects(attempt, TypeError);
  assert.equal(tries, 3);
});

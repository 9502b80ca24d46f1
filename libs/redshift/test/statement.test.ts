import assert from "node:assert/strict";
import { test } from "node:test";
import type { RedshiftDataClient } from "@aws-sdk/client-redshift-data";
import type { Clock } from "@hybridge/core";
import { RedshiftTimeoutError, RedshiftUnavailableError } from "../src/errors.ts";
import { runStatement } from "../src/statement.ts";

/** A clock whose sleeps are over at once, and count. */
function jumpingClock() {
  let nowMs = 0;
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => nowMs,
    sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
      return Promise.resolve();
    },
  };
  return { clock, sleeps, advance: (ms: number) => (nowMs += ms) };
}

type Describe = () => { Status: string; Error?: string } | Error;

function connectionOf(
  clock: Clock,
  describe: Describe,
  cancel: () => Error | undefined = () => undefined,
) {
  const calls: string[] = [];
  const client = {
    send(command: object) {
      const name = command.constructor.name;
      calls.push(name);
      const answer = name === "CancelStatementCommand" ? (cancel() ?? {}) : describe();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  } as unknown as RedshiftDataClient;
  const timeouts = { connectMs: 1, answerMs: 1_000, cancelMs: 1_000, lostMs: 10_000 };
  return { connection: { client, address: "here", timeouts, clock }, calls };
}

const submit = () => Promise.resolve({ Id: "s" });
const signal = new AbortController().signal;
const torn = () => Object.assign(new Error("torn"), { name: "TimeoutError" });

test("a service that does not wait is asked ever more slowly, not in a hot loop", async () => {
  const { clock, sleeps } = jumpingClock();
  let looks = 0;
  const describe = () => ({ Status: (looks += 1) > 200 ? "FINISHED" : "STARTED" });
  const { connection } = connectionOf(clock, describe);
  await runStatement(connection, submit, { signal });
  assert.equal(sleeps.length, 200);
  assert.ok(sleeps.every((ms) => ms >= 100));
  assert.equal(sleeps.at(-1), 2_000);
});

test("a service that does wait is asked again at once", async () => {
  const { clock, sleeps, advance } = jumpingClock();
  let looks = 0;
  const describe = () => {
    advance(20_000);
    return { Status: (looks += 1) > 5 ? "FINISHED" : "STARTED" };
  };
  await runStatement(connectionOf(clock, describe).connection, submit, { signal });
  assert.deepEqual(sleeps, []);
});

test("a statement is looked for again while the way to it is torn", async () => {
  const { clock } = jumpingClock();
  const answers = [torn(), torn(), { Status: "STARTED" }, torn(), { Status: "FINISHED" }];
  const { connection, calls } = connectionOf(clock, () => answers.shift() ?? torn());
  const { statement } = await runStatement(connection, submit, { signal });
  assert.equal(statement.id, "s");
  assert.ok(!calls.includes("CancelStatementCommand"));
});

test("a statement that nothing is heard of is cancelled when it is given up", async () => {
  const { clock, sleeps } = jumpingClock();
  let refused = 2;
  const { connection, calls } = connectionOf(clock, torn, () =>
    refused-- > 0 ? torn() : undefined,
  );
  await assert.rejects(runStatement(connection, submit, { signal }), RedshiftUnavailableError);
  assert.equal(calls.filter((name) => name === "CancelStatementCommand").length, 3);
  assert.ok(sleeps.reduce((sum, ms) => sum + ms, 0) >= 10_000);
});

test("a statement whose fate is refused is cancelled at once, and so is one whose caller is gone", async () => {
  const refusal = Object.assign(new Error("no"), {
    name: "ValidationException",
    $metadata: { httpStatusCode: 400 },
  });
  const { clock } = jumpingClock();
  const refusing = connectionOf(clock, () => refusal);
  await assert.rejects(runStatement(refusing.connection, submit, { signal }), {
    code: "REDSHIFT_REQUEST",
  });
  assert.deepEqual(refusing.calls, ["DescribeStatementCommand", "CancelStatementCommand"]);
  const leaving = new AbortController();
  const left = connectionOf(clock, () => {
    leaving.abort();
    return { Status: "STARTED" };
  });
  await assert.rejects(runStatement(left.connection, submit, { signal: leaving.signal }), {
    name: "AbortError",
  });
  assert.deepEqual(left.calls, ["DescribeStatementCommand", "CancelStatementCommand"]);
});

test("a statement that its time limit has ended says so", async () => {
  const { clock } = jumpingClock();
  const ended = { Status: "FAILED", Error: "ERROR: canceling statement due to statement timeout" };
  const { connection } = connectionOf(clock, () => ended);
  await assert.rejects(runStatement(connection, submit, { signal, timeoutMs: 7 }), (error) => {
    assert.ok(error instanceof RedshiftTimeoutError);
    assert.match(error.message, /longer than the 7 ms/);
    return true;
  });
});

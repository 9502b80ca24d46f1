import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedQueue } from "../src/index.ts";

test("a full queue makes its writer wait and keeps the order", async () => {
  const queue = new BoundedQueue<number>(10, (size) => size);
  const log: string[] = [];
  const writing = (async () => {
    for (const size of [6, 4, 5, 50]) {
      await queue.push(size);
      log.push(`in ${String(size)}`);
    }
    queue.close();
  })();
  await new Promise(setImmediate);
  assert.deepEqual(log, ["in 6", "in 4"]);
  const got: number[] = [];
  for await (const size of queue) got.push(size);
  await writing;
  assert.deepEqual(got, [6, 4, 5, 50]);
});

test("a waiting writer leaves when its signal is aborted", async () => {
  const queue = new BoundedQueue<number>(1);
  await queue.push(1);
  const controller = new AbortController();
  const waiting = queue.push(2, controller.signal);
  controller.abort(new Error("stop"));
  await assert.rejects(waiting, /stop/);
});

test("fail ends reader and writers with the error", async () => {
  const queue = new BoundedQueue<number>(1);
  await queue.push(1);
  const waiting = queue.push(2);
  queue.fail(new Error("broken"));
  await assert.rejects(waiting, /broken/);
  await assert.rejects(async () => {
    for await (const item of queue) assert.fail(`got ${String(item)}`);
  }, /broken/);
});

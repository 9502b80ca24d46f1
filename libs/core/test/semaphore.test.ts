import assert from "node:assert/strict";
import { test } from "node:test";
import { Semaphore } from "../src/semaphore.ts";

test("a bounded number runs at a time, in order, failures included", async () => {
  const semaphore = new Semaphore(2);
  let [running, most] = [0, 0];
  const order: number[] = [];
  const all = [0, 1, 2, 3, 4, 5].map((index) =>
    semaphore.run(async () => {
      most = Math.max(most, ++running);
      order.push(index);
      await Promise.resolve();
      running -= 1;
      if (index === 1) throw new Error("one fails");
    }, new AbortController().signal),
  );
  const results = await Promise.allSettled(all);
  assert.equal(results.filter(({ status }) => status === "rejected").length, 1);
  assert.deepEqual([most, order], [2, [0, 1, 2, 3, 4, 5]]);
});

test("whoever is stopped while it waits for a permit leaves the queue", async () => {
  const semaphore = new Semaphore(1);
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const order: string[] = [];
  const first = semaphore.run(() => promise, new AbortController().signal);
  const second = semaphore.run(() => Promise.resolve(order.push("second")), stop.signal);
  const third = semaphore.run(
    () => Promise.resolve(order.push("third")),
    new AbortController().signal,
  );
  stop.abort(new Error("stopped"));
  await assert.rejects(second, /stopped/);
  resolve(undefined);
  await Promise.all([first, third]);
  assert.deepEqual(order, ["third"]);
  await assert.rejects(
    semaphore.run(() => Promise.resolve(), stop.signal),
    /stopped/,
  );
});

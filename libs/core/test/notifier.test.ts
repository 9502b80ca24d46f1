import assert from "node:assert/strict";
import { test } from "node:test";
import { Notifier } from "../src/notifier.ts";

test("whoever waits is woken by the next notification, or by its signal", async () => {
  const notifier = new Notifier();
  const stop = new AbortController();
  const woken: string[] = [];
  const first = notifier.wait(new AbortController().signal).then(() => woken.push("first"));
  const second = notifier.wait(stop.signal).then(() => woken.push("second"));
  stop.abort();
  await second;
  assert.deepEqual(woken, ["second"]);
  notifier.notify();
  await first;
  assert.deepEqual(woken, ["second", "first"]);
  await notifier.wait(stop.signal);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { countsTable } from "../src/run/once.ts";
import type { RunPlan } from "../src/run/plan.ts";
import { allAgree, type Counts } from "../src/run/read-back.ts";

const all: Counts = {
  ingested: 10,
  source: 10,
  target: 10,
  hive: 10,
  s3: 10,
  redshift: 10,
  distinctIds: 10,
  reconciled: true,
};
const live = { live: { isSimulated: true } } as Partial<RunPlan>;
const plan = (more: Partial<RunPlan> = {}) => ({ posts: 10, ...more }) as RunPlan;

test("what is replayed is in every place as often as in every other", () => {
  assert.equal(allAgree(all, plan()), true);
  for (const name of Object.keys(all)) {
    const wrong = { ...all, [name]: name === "reconciled" ? false : 9 };
    assert.equal(allAgree(wrong, plan()), false, name);
  }
});

test("of live posts the history keeps every record, and both warehouses the same that are left", () => {
  const left = { ...all, redshift: 7, distinctIds: 7 };
  assert.equal(allAgree(left, plan(live)), true);
  for (const name of Object.keys(all)) {
    const wrong = { ...left, [name]: name === "reconciled" ? false : 8 };
    assert.equal(allAgree(wrong, plan(live)), false, name);
  }
  const none = { ...all, redshift: 0, distinctIds: 0 };
  assert.equal(allAgree(none, plan(live)), false);
  assert.match(countsTable(left, plan(live)), /redshift +7 +Redshift, SELECT COUNT\(DISTINCT id\)/);
  assert.match(countsTable(all, plan()), /redshift +10 +Redshift, SELECT COUNT\(\*\)/);
});

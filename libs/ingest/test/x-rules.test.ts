import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "@hybridge/core";
import { XRulesRefusedError } from "../src/feeds/x/errors.ts";
import { liveRules } from "../src/feeds/x/live-rules.ts";
import { reconcileRules } from "../src/feeds/x/reconcile-rules.ts";
import { compileRules, xPlans, type XFilter } from "../src/feeds/x/rules.ts";
import type { XRule, XTransport } from "../src/feeds/x/x-transport.ts";

const plan = xPlans["pay-per-use"];
const { signal } = new AbortController();

function compiled(filter: Partial<XFilter>): string[] {
  return compileRules({ keywords: [], users: [], languages: [], rules: [], ...filter }, plan);
}

test("keywords and users are alternatives, languages narrow them, rules stand for themselves", () => {
  assert.deepEqual(compiled({ keywords: ["kafka"] }), ["kafka"]);
  assert.deepEqual(
    compiled({
      keywords: ["kafka", "big data", '"event streaming"', "#hadoop", "@apache"],
      users: ["@apachekafka", "123"],
      languages: ["en", "zh-TW"],
      rules: ["(cat has:images) -grumpy"],
    }),
    [
      '(kafka OR (big data) OR "event streaming" OR #hadoop OR @apache OR from:apachekafka OR from:123) (lang:en OR lang:zh-TW)',
      "(cat has:images) -grumpy",
    ],
  );
});

test("what X would read as an operator is quoted", () => {
  assert.deepEqual(compiled({ keywords: ["c++", "or", "from:me", "-no", "橋", "node.js"] }), [
    '("c++" OR "or" OR "from:me" OR "-no" OR 橋 OR "node.js")',
  ]);
});

test("many keywords are as few rules as possible, none longer than the plan allows", () => {
  const keywords = Array.from({ length: 1_000 }, (_, index) => `keyword${index}`);
  const rules = compiled({ keywords, languages: ["en"] });
  assert.ok(rules.length <= 15, `${rules.length} rules`);
  for (const rule of rules) {
    assert.ok(rule.length <= 1_024);
    assert.match(rule, /^\(keyword\d+( OR keyword\d+)+\) lang:en$/);
  }
  const words = rules.flatMap((rule) => rule.match(/keyword\d+/g) ?? []);
  assert.deepEqual(words, keywords);
});

test("everything that X would refuse is told at once, before anything is sent", () => {
  const filter = {
    keywords: ['half " a quotation', "x".repeat(1_100)],
    users: ["no body"],
    languages: ["english"],
    rules: ["y".repeat(1_025)],
  };
  assert.throws(
    () => compiled(filter),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.message.split("\n").length, 6, error.message);
      return true;
    },
  );
  assert.throws(() => compiled({ languages: ["en"] }), /lang: only together/);
  assert.throws(() => compiled({}), /X streams only what a rule wants/);
  const rules = Array.from({ length: 1_001 }, (_, index) => `r${index}`);
  assert.throws(() => compiled({ rules }), /1001 rules, and the plan has 1000/);
});

/** X's rules, and what was done to them, in order. */
function fakeX(...present: Omit<XRule, "id">[]) {
  let rules: XRule[] = present.map((rule, index) => ({ ...rule, id: String(index) }));
  const done: string[] = [];
  const transport: Pick<XTransport, "listRules" | "addRules" | "deleteRules"> = {
    listRules: () => Promise.resolve(rules),
    addRules(added, { dryRun }) {
      if (added.some(({ value }) => value === "bad")) throw new XRulesRefusedError("bad");
      done.push(`${dryRun ? "try" : "add"} ${added.map(({ value }) => value).join(" ")}`);
      if (!dryRun) {
        rules = [...rules, ...added.map((rule) => ({ ...rule, id: `new-${rule.value}` }))];
      }
      return Promise.resolve();
    },
    deleteRules(ids) {
      done.push(`delete ${ids.join(" ")}`);
      rules = rules.filter(({ id }) => !ids.includes(id));
      return Promise.resolve();
    },
  };
  return {
    transport: transport as XTransport,
    done,
    values: () => rules.map(({ value }) => value),
  };
}

test("only rules with our tag are changed, the new ones come first, and then nothing is left to do", async () => {
  const x = fakeX(
    { value: "kept", tag: "hybridge" },
    { value: "old", tag: "hybridge" },
    { value: "by hand", tag: "hybridge:anna" },
    { value: "other", tag: "theirs" },
    { value: "untagged" },
  );
  const wanted = ["kept", "new", "other"];
  const done = await reconcileRules(x.transport, wanted, { plan, tag: "hybridge" }, signal);
  assert.deepEqual(done, { added: 1, removed: 1, kept: 1, foreign: 2 });
  assert.deepEqual(x.done, ["try new", "add new", "delete 1"]);
  assert.deepEqual(x.values(), ["kept", "by hand", "other", "untagged", "new"]);
  await reconcileRules(x.transport, wanted, { plan, tag: "hybridge" }, signal);
  assert.equal(x.done.length, 3);
});

test("what X refuses changes nothing; where there is no room for both, what goes goes first", async () => {
  const x = fakeX({ value: "old", tag: "hybridge" });
  const options = { plan: { ...plan, rulesMax: 1 }, tag: "hybridge" };
  await assert.rejects(reconcileRules(x.transport, ["bad"], options, signal), XRulesRefusedError);
  assert.deepEqual(x.values(), ["old"]);
  await reconcileRules(x.transport, ["new"], options, signal);
  assert.deepEqual(x.done, ["try new", "delete 0", "add new"]);
  await assert.rejects(
    reconcileRules(x.transport, ["new", "another"], options, signal),
    /X would hold 2 rules, and the plan has 1/,
  );
});

test("rules that somebody adds while it runs are ours, and the configuration leaves them alone", async () => {
  const x = fakeX({ value: "configured", tag: "hybridge" }, { value: "theirs", tag: "t" });
  const options = { plan, tag: "hybridge" };
  const rules = liveRules(x.transport, options);
  const after = await rules.change({ add: [{ value: "mine", tag: "anna" }], remove: [] }, signal);
  assert.deepEqual(
    after.map(({ value, tag }) => [value, tag]),
    [
      ["configured", "hybridge"],
      ["mine", "hybridge:anna"],
    ],
  );
  await reconcileRules(x.transport, ["configured"], options, signal);
  assert.deepEqual(x.values(), ["configured", "theirs", "mine"]);
  await assert.rejects(rules.change({ add: [], remove: ["1"] }, signal), /no rules of ours/);
  const long = { add: [{ value: "z".repeat(1_025) }], remove: [] };
  await assert.rejects(rules.change(long, signal), /1 to 1024 characters/);
  await rules.change({ add: [], remove: ["new-mine"] }, signal);
  assert.deepEqual(x.values(), ["configured", "theirs"]);
});

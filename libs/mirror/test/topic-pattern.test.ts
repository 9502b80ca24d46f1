import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "@hybridge/core";
import { namedTopics, topicPattern } from "../src/topics/topic-pattern.ts";
import { isWanted } from "../src/topics/target-topic.ts";

const names = (pattern: string, candidates: readonly string[]) =>
  candidates.filter((name) => topicPattern("HYBRIDGE_TOPICS", pattern).test(name));

const cases: readonly (readonly [pattern: string, matches: string[], others: string[]])[] = [
  ["hybrid", ["hybrid"], ["hybrid2", "a-hybrid", "Hybrid"]],
  ["a,b , c", ["a", "b", "c"], ["a,b", "ab"]],
  [`"a|b"`, ["a", "b"], [`"a`]],
  [`'a', "b"`, ["a", "b"], ["'a'"]],
  ["  .*  ", ["anything", "at.all"], []],
  ["(?i)tweets,posts", ["TWEETS", "Posts"], ["twee"]],
  ["tweets,(?i)posts", ["tweets", "POSTS"], ["TWEETS"]],
  ["\\Qa.b\\E.*", ["a.b", "a.bc"], ["axb"]],
  ["\\Qa.b", ["a.b"], ["axb"]],
  ["\\Qa-(b)\\E", ["a-(b)"], ["a-b"]],
  ["a{1,2}", ["a", "aa"], ["a{1", "2}", "aaa"]],
  ["x(a,b)?", ["x", "xa,b"], ["xa"]],
  ["[a,b]c", ["ac", "bc"], ["c"]],
  ["[(]x,y", ["(x", "y"], ["x"]],
  [".*[\\-\\.]internal, .*\\.replica", ["a-internal", "a.replica"], ["internal", "ainternal"]],
  ["my\\-topic\\_1", ["my-topic_1"], ["my_topic"]],
  ["\\d+\\w", ["12a"], ["a"]],
  ["a\\,b", ["a,b"], ["a", "b"]],
];

for (const [pattern, matches, others] of cases) {
  test(`topics of ${pattern}`, () => {
    assert.deepEqual(names(pattern, [...matches, ...others]), matches);
  });
}

test("what cannot be understood as Java would is refused, and says what to do", () => {
  const refused: readonly (readonly [pattern: string, because: RegExp])[] = [
    ["*", /HYBRIDGE_TOPICS: .* but is "\*": .*for all topics write \.\*/],
    ["tweets,*", /for all topics write \.\*/],
    ["a(", /Unterminated group/],
    ["(?x)a", /inline flags only i, m and s/],
    ["[a-z&&[^b]]", /classes within classes/],
    ["a++", /Nothing to repeat/],
    ["a\\z", /Invalid escape/],
    ["\\p{Alnum}", /Invalid property name/],
    [" , ", /matches nothing/],
    ["a\\", /at end of pattern/],
    ["a)|(?:b", /Unmatched/],
  ];
  for (const [pattern, because] of refused) {
    const parse = () => topicPattern("HYBRIDGE_TOPICS", pattern);
    assert.throws(parse, because, pattern);
    assert.throws(parse, ConfigError, pattern);
  }
});

test("on one cluster, what begins with the prefix is our own output", () => {
  const rules = {
    allow: topicPattern("HYBRIDGE_TOPICS", ".*"),
    deny: topicPattern("HYBRIDGE_TOPICS_DENY", "-"),
    named: [],
    prefix: "mine.",
    isOneCluster: true,
    own: new Set<string>(),
  };
  const wanted = (name: string, more = {}) =>
    isWanted({ name, isInternal: false }, { ...rules, ...more });
  assert.equal(wanted("tweets"), true);
  assert.equal(wanted("mine.tweets"), false);
  assert.equal(wanted("mine.tweets", { isOneCluster: false }), true);
  assert.equal(wanted("tweets", { prefix: "" }), true);
});

test("names that stand in a pattern as they are can be asked for one by one", () => {
  const named = (text: string) => namedTopics("HYBRIDGE_TOPICS", text);
  assert.deepEqual(named("hybrid"), ["hybrid"]);
  assert.deepEqual(named(`"orders.v1, a\\.b ,tweets-.*,(x|y), all_of-it"`), [
    "orders.v1",
    "a.b",
    "all_of-it",
  ]);
  assert.deepEqual(named(".*"), []);
});

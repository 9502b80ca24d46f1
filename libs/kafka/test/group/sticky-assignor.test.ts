import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assignSticky, type GroupMember } from "../../src/group/sticky-assignor.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../src/wire/subscription.ts";

const member = (memberId: string, partitions: readonly number[] = [], generation = 1) => ({
  memberId,
  topics: ["t"],
  owned: partitions.map((partition) => ({ topic: "t", partition })),
  generation,
});

function assign(members: readonly GroupMember[], partitions: number): Record<string, number[]> {
  const assignment = assignSticky(members, new Map([["t", partitions]]));
  return Object.fromEntries(
    [...assignment].map(([id, places]) => [
      id,
      places.map(({ partition }) => partition).sort((a, b) => a - b),
    ]),
  );
}

/** Rounds until nothing moves: each gives up what it was not given, and joins again. */
function settle(members: readonly GroupMember[], partitions: number): readonly GroupMember[] {
  let now = members;
  for (let round = 0; round < 5; round++) {
    const assignment = assignSticky(now, new Map([["t", partitions]]));
    const before = JSON.stringify(now.map(({ owned }) => owned));
    now = now.map((each) => {
      return {
        ...each,
        owned: assignment.get(each.memberId) ?? [],
        generation: each.generation + 1,
      };
    });
    if (JSON.stringify(now.map(({ owned }) => owned)) === before) return now;
  }
  return assert.fail("it does not settle");
}

test("what somebody has goes to nobody else before it is given up", () => {
  const first = assign([member("a", [0, 1, 2, 3]), member("b")], 4);
  assert.deepEqual(first, { a: [0, 1], b: [] });
  const second = assign([member("a", [0, 1]), member("b")], 4);
  assert.deepEqual(second, { a: [0, 1], b: [2, 3] });
});

test("a leaver's partitions go to the others, who keep theirs", () => {
  assert.deepEqual(assign([member("a", [0, 1]), member("b", [2, 3])], 6), {
    a: [0, 1, 4],
    b: [2, 3, 5],
  });
});

test("of two who say that they have a partition the newer generation is right, and the older gives up first", () => {
  const assignment = assign([member("a", [0], 3), member("b", [0, 1], 4)], 2);
  assert.deepEqual(assignment, { a: [], b: [] });
  const then = assign([member("a", [], 5), member("b", [0, 1], 5)], 2);
  assert.deepEqual(then["b"]?.length, 1);
});

test("subscriptions that differ are respected", () => {
  const only = { ...member("a"), topics: ["u"] };
  const counts = new Map([
    ["t", 2],
    ["u", 2],
  ]);
  const both = { ...member("b"), topics: ["t", "u"] };
  const assignment = assignSticky([only, both], counts);
  assert.deepEqual(
    assignment.get("a")?.map(({ topic }) => topic),
    ["u", "u"],
  );
  assert.deepEqual(
    assignment.get("b")?.map(({ topic }) => topic),
    ["t", "t"],
  );
});

test("from any beginning: even, whole, each once, and as few moves as can be", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 60 }),
      fc.array(fc.integer({ min: -1, max: 6 }), { minLength: 60, maxLength: 60 }),
      (count, partitions, owners) => {
        const members = Array.from({ length: count }, (_, index) => {
          const own = owners.flatMap((owner, at) =>
            owner === index && at < partitions ? [at] : [],
          );
          return member(`m${index}`, own);
        });
        const settled = settle(members, partitions);
        const all = settled.flatMap(({ owned }) => owned.map(({ partition }) => partition));
        assert.deepEqual(
          all.sort((a, b) => a - b),
          Array.from({ length: partitions }, (_, at) => at),
        );
        const sizes = settled.map(({ owned }) => owned.length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join(" "));
        // Nobody gives up more than what he had too much.
        const most = Math.ceil(partitions / count);
        for (const [index, { owned }] of members.entries()) {
          const now = new Set(settled[index]?.owned.map(({ partition }) => partition));
          const kept = owned.filter(({ partition }) => now.has(partition)).length;
          assert.ok(kept >= Math.min(owned.length, most - 1), `${kept} of ${owned.length} kept`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("subscriptions and assignments keep what they say, also in the oldest version", () => {
  const { owned, generation } = member("a", [3, 1], 7);
  const subscription = { owned, generation, rack: "eu-1a", topics: ["t", "ü"] };
  assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), subscription);
  assert.deepEqual(decodeAssignment(encodeAssignment(subscription.owned)), subscription.owned);
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), []);
  const oldest = Buffer.from("000000000001000174ffffffff", "hex");
  assert.deepEqual(decodeSubscription(oldest), {
    ...{ topics: ["t"], owned: [], generation: -1, rack: undefined },
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSequence, parseSequence, resumePoint, WINDOW } from "../src/resume.ts";

const at = (ordinal: number, stream = "s", partitions = 3) => ({ stream, ordinal, partitions });

test("the header is read as it is written, and nothing else is", () => {
  assert.deepEqual(parseSequence(formatSequence("replay-ab", 12, 6)), {
    stream: "replay-ab",
    ordinal: 12,
    partitions: 6,
  });
  for (const text of ["", "a", "a/1", "a/1/", "a/-1/6", "/1/6", "a/1/6/7", "a/1.5/6"]) {
    assert.equal(parseSequence(text), undefined, text);
  }
});

test("an empty topic begins at the beginning", () => {
  const none = new Map([0, 1, 2].map((partition) => [partition, undefined]));
  assert.deepEqual(resumePoint("s", 3, none), {
    from: 0,
    settled: [-1, -1, -1],
    partitions: 3,
    otherStream: undefined,
  });
});

test("it goes on behind the partition that is furthest back", () => {
  const lasts = new Map([
    [0, at(7)],
    [1, at(12)],
    [2, at(9)],
  ]);
  const point = resumePoint("s", 3, lasts);
  assert.equal(point.from, 8);
  assert.deepEqual(point.settled, [7, 12, 9]);
});

test("a partition without a record is settled up to the window before the newest", () => {
  const lasts = new Map([
    [0, at(WINDOW + 500)],
    [1, undefined],
    [2, at(WINDOW + 400)],
  ]);
  const point = resumePoint("s", 3, lasts);
  assert.deepEqual(point.settled, [WINDOW + 500, 500, WINDOW + 400]);
  assert.equal(point.from, 501);
});

test("a topic that grew keeps the partitions that the stream began with", () => {
  const lasts = new Map([
    [0, at(1)],
    [1, at(2)],
    [2, at(3)],
    [3, undefined],
  ]);
  const point = resumePoint("s", 4, lasts);
  assert.equal(point.partitions, 3);
  assert.equal(point.from, 2);
});

test("posts of another stream settle nothing and are told", () => {
  const point = resumePoint(
    "s",
    2,
    new Map([
      [0, at(9, "other")],
      [1, undefined],
    ]),
  );
  assert.deepEqual(point.settled, [-1, -1]);
  assert.equal(point.otherStream, "other");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { partitionOf, rowOf } from "../src/index.ts";
import { snowflakeTime, timeOf } from "../src/time.ts";
import { landing, recordedAtMs, recordOf } from "./records.ts";

const AT = Date.UTC(2018, 9, 10, 20, 19, 24);

test("times in the forms that sources use; without a zone they are UTC", () => {
  const same = [
    "Wed Oct 10 20:19:24 +0000 2018",
    "Wed Oct 10 22:49:24 +0230 2018",
    "2018-10-10T20:19:24Z",
    "2018-10-10T20:19:24.000Z",
    "2018-10-10T20:19:24",
    "2018-10-10 20:19:24",
    "2018-10-10 20:19:24 UTC",
    "2018-10-10t20:19:24z",
    "2018-10-10T15:19:24-05:00",
    "2018-10-10T15:19:24-0500",
    "2018-10-10T22:19:24+02",
    "2018-10-10T20:19:24.0009999999Z",
    "Wed, 10 Oct 2018 20:19:24 +0000",
    "10 Oct 2018 20:19:24 GMT",
    "Wed, 10 Oct 2018 13:19:24 -0700",
    AT / 1000,
    AT,
    AT * 1000,
    String(AT / 1000),
    String(AT),
    String(AT * 1000),
  ];
  for (const value of same) assert.equal(timeOf(value), AT, String(value));
  assert.equal(timeOf("2018-10-10T20:19:24.1239Z"), AT + 123);
  assert.equal(timeOf("2018-10-10T20:19:24.5"), AT + 500);
  assert.equal(timeOf("2018-10-10"), Date.UTC(2018, 9, 10));
  assert.equal(timeOf("2016-12-31T23:59:60Z"), Date.UTC(2017, 0, 1));
  assert.equal(timeOf("0001-01-01T00:00:00.000Z"), -62_135_596_800_000);
  assert.equal(timeOf(AT / 1000 + 0.5), AT + 500);
});

test("what is no time of those forms is none, instead of a guess", () => {
  const none = [
    "",
    "yesterday",
    "10/10/2018",
    "2018-02-29T00:00:00Z",
    "2018-13-01T00:00:00Z",
    "2018-00-10T00:00:00Z",
    "2018-10-32T00:00:00Z",
    "2018-10-10T24:00:00Z",
    "2018-10-10T20:60:00Z",
    "2018-10-10T20:19:61Z",
    "2018-10-10T20:19:24+24:00",
    "2018-10-10T20:19:24 CEST",
    "2018-10-10T20:19:24Z ",
    "Wed Okt 10 20:19:24 +0000 2018",
    "Wed anF 10 20:19:24 +0000 2018",
    "+275760-09-13T00:00:00Z",
    "-000001-01-01T00:00:00Z",
    "٢٠١٨-10-10T20:19:24Z",
    "1",
    "9".repeat(16),
    0,
    -1,
    1_234,
    1e300,
    Number.NaN,
    Infinity,
    null,
    true,
    {},
    ["2018-10-10"],
  ];
  for (const value of none) assert.equal(timeOf(value), null, JSON.stringify(value));
  assert.equal(timeOf(`2018-10-10T20:19:24.${"1".repeat(100_000)}Z`), null);
});

test("every time that toISOString writes is read again", () => {
  fc.assert(
    fc.property(
      fc.date({
        min: new Date("0000-01-01T00:00:00Z"),
        max: new Date("9999-12-31T23:59:59.999Z"),
        noInvalidDate: true,
      }),
      (date) => timeOf(date.toISOString()) === date.getTime(),
    ),
  );
});

test("an id of X says when, from the day on that ids are times", () => {
  assert.equal(snowflakeTime("1212092628029698048"), Date.UTC(2019, 11, 31, 19, 26, 16, 771));
  for (const id of ["20", "29700859247", "9".repeat(20), "did:plc:a/3k", "-1212092628029698048"]) {
    assert.equal(snowflakeTime(id), null, id);
  }
});

/** dt and hr of a post with this created_at in a record with this timestamp. */
function folderOf(created_at: string | undefined, timestampMs: number): string {
  const record = { ...recordOf(JSON.stringify({ id_str: "1", created_at })), timestampMs };
  const result = rowOf(record, landing);
  assert.ok(result.ok);
  const { dt, hr } = partitionOf(result.row);
  return `${dt} ${hr}`;
}

test("created_at decides dt and hr where the record's time cannot be", () => {
  const created = "2025-11-25T10:30:00Z";
  const impossible = [0, -1, Date.UTC(2025, 10, 25) / 1000, Date.UTC(2025, 10, 25) * 1000, 4e15];
  for (const ms of impossible) {
    assert.equal(folderOf(created, ms), "2025-11-25 10", String(ms));
    assert.equal(folderOf("9999-01-01T00:00:00Z", ms), "1970-01-01 00");
    assert.equal(folderOf(undefined, ms), "1970-01-01 00");
  }
  assert.equal(folderOf(created, recordedAtMs), "2025-11-25 10");
  assert.equal(folderOf("2026-11-25T10:30:00Z", recordedAtMs), "2026-11-23 09");
  assert.equal(folderOf("1999-12-31T23:59:59Z", recordedAtMs), "2026-11-23 09");
});

test("where an author's time cannot be, the time of the event counts before the record's", () => {
  const json = JSON.stringify({
    did: "did:plc:a",
    time_us: 1_688_212_800_000_000,
    commit: { rkey: "r", operation: "create", record: { createdAt: "0001-01-01T00:00:00Z" } },
  });
  const result = rowOf(recordOf(json), landing);
  assert.ok(result.ok);
  assert.deepEqual(partitionOf(result.row), { dt: "2023-07-01", hr: "12" });
});

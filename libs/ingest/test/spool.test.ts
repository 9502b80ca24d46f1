import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { collectEvents } from "@hybridge/core/testing";
import fc from "fast-check";
import { SpoolDamagedError, SpoolFormatError, SpoolTakenError } from "../src/errors.ts";
import { openSpool, type Spool, type SpoolOptions } from "../src/spool/spool.ts";
import { folder } from "./ingest-into.ts";
import { entryOf } from "./spool-entries.ts";

const { signal } = new AbortController();

function open(dir: string, more: Partial<SpoolOptions> = {}): Promise<Spool> {
  return openSpool({
    dir,
    bytesMax: 10_000_000,
    syncMs: 0,
    windowPosts: 1_000,
    onWait: () => undefined,
    onTorn: () => undefined,
    ...more,
  });
}

/** All numbers in a spool from an ordinal on. */
async function numbersIn(spool: Spool, from = 0): Promise<number[]> {
  spool.finish();
  const numbers: number[] = [];
  for await (const { records } of spool.read(from, signal)) {
    numbers.push(...records.map(({ key }) => Number(key.toString())));
  }
  return numbers;
}

function upTo(end: number, first = 0): number[] {
  return Array.from({ length: end - first }, (_, at) => first + at);
}

function segmentsIn(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".segment"))
    .sort()
    .map((name) => join(dir, name));
}

async function acknowledge(spool: Spool, ordinal: number): Promise<void> {
  await spool.acknowledge({ topic: "t", ordinal, partitions: 1, places: [] });
}

async function filled(t: TestContext, count: number, more: Partial<SpoolOptions> = {}) {
  const dir = folder(t);
  await using spool = await open(dir, more);
  for (let first = 0; first < count; first += 10) {
    assert.equal(await spool.append(entryOf(spool, first, first + 10), signal), 10);
  }
  return dir;
}

test("records are read in order while others come, and again after a restart", async (t) => {
  const dir = folder(t);
  {
    await using spool = await open(dir, { segmentBytes: 2_000 });
    const reading = (async () => {
      const seen: number[] = [];
      for await (const { records, source } of spool.read(0, signal)) {
        assert.equal(source, "replay");
        seen.push(...records.map(({ ordinal }) => ordinal));
        if (seen.length >= 500) break;
      }
      return seen;
    })();
    for (let first = 0; first < 500; first += 10) {
      await spool.append(entryOf(spool, first, first + 10), signal);
    }
    assert.deepEqual(await reading, upTo(500));
  }
  await using again = await open(dir);
  assert.equal(again.partsOf("numbers").get("")?.cursor, "500");
  assert.equal(again.partsOf("numbers").get("")?.counts.posts, 500);
  assert.equal(again.isNew, false);
  assert.deepEqual(await numbersIn(again, 123), upTo(500, 123));
});

test("wherever the last segment is cut, a whole beginning of the frames is there, and so is its cursor", async (t) => {
  const dir = await filled(t, 60);
  const [segment = ""] = segmentsIn(dir);
  const size = statSync(segment).size;
  const copies = folder(t);
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: size }), async (length) => {
      const copy = join(copies, String(round++));
      cpSync(dir, copy, { recursive: true });
      truncateSync(segment.replace(dir, copy), length);
      let torn = 0;
      await using spool = await open(copy, { onTorn: (bytes) => (torn = bytes) });
      const cursor = Number(spool.partsOf("numbers").get("")?.cursor ?? "0");
      assert.equal(await spool.append(entryOf(spool, cursor, cursor + 10), signal), 10);
      assert.deepEqual(await numbersIn(spool), upTo(cursor + 10));
      if (length === size) assert.deepEqual([cursor, torn], [60, 0]);
    }),
    { numRuns: 60 },
  );
});

test("a changed byte is found, and never taken for a record", async (t) => {
  const dir = await filled(t, 300, { segmentBytes: 2_000 });
  const segments = segmentsIn(dir);
  const damaged = segments[1] ?? "";
  const bytes = readFileSync(damaged);
  bytes[bytes.length - 30] = (bytes.at(-30) ?? 0) ^ 1;
  writeFileSync(damaged, bytes);
  await using spool = await open(dir);
  await assert.rejects(numbersIn(spool), (error: unknown) => {
    assert.ok(error instanceof SpoolDamagedError);
    assert.ok(error.message.includes(damaged));
    return true;
  });
});

test("what is acknowledged leaves the disk; cursors and what was said lately stay", async (t) => {
  const dir = await filled(t, 1_000, { segmentBytes: 2_000 });
  const before = segmentsIn(dir).length;
  {
    await using spool = await open(dir, { segmentBytes: 2_000 });
    await acknowledge(spool, 1_000);
    assert.equal(spool.status().depth, 0);
  }
  assert.ok(before > 20);
  assert.equal(segmentsIn(dir).length, 0);
  await using spool = await open(dir);
  assert.equal(spool.partsOf("numbers").get("")?.cursor, "1000");
  assert.equal(await spool.append(entryOf(spool, 900, 1_010), signal), 10, "a hundred are known");
  assert.deepEqual(await numbersIn(spool, 1_000), upTo(1_010, 1_000));
});

test("a full spool makes those wait who can, and lets the others know", async (t) => {
  const waits: (string | undefined)[] = [];
  const dir = folder(t);
  await using spool = await open(dir, {
    bytesMax: 20_000,
    segmentBytes: 2_500,
    onWait: (reason) => void waits.push(reason),
  });
  const large = { valueBytes: 1_000 };
  let kept = 0;
  const impatient = { ...large, wait: false };
  while ((await spool.append(entryOf(spool, kept, kept + 1, impatient), signal)) !== undefined) {
    kept += 1;
  }
  assert.ok(kept >= 15 && kept <= 20, `${kept} kilobytes`);
  assert.match(waits[0] ?? "", /the spool is full/);
  let isKept = false;
  const waiting = spool.append(entryOf(spool, kept, kept + 1, large), signal).then(() => {
    isKept = true;
  });
  await acknowledge(spool, 0);
  assert.equal(isKept, false);
  const leaver = new AbortController();
  const left = spool.append(entryOf(spool, 900, 901, large), leaver.signal);
  leaver.abort(new Error("left"));
  await assert.rejects(left, /left/);
  await acknowledge(spool, kept);
  await waiting;
  assert.equal(waits.at(-1), undefined);
  assert.deepEqual(await numbersIn(spool, kept), [kept]);
});

test("a spool that is full of what is acknowledged is empty", async (t) => {
  const dir = folder(t);
  await using spool = await open(dir, { bytesMax: 20_000, segmentBytes: 15_000 });
  const large = { valueBytes: 1_000 };
  await spool.append(entryOf(spool, 0, 10, large), signal);
  await acknowledge(spool, 10);
  assert.equal(await spool.append(entryOf(spool, 10, 22, large), signal), 12);
  assert.deepEqual(await numbersIn(spool, 10), upTo(22, 10));
});

test("who opens a spool owns it: the one before is told, and what it was told is there", async (t) => {
  const dir = folder(t);
  await using first = await open(dir);
  for (let each = 0; each < 50; each += 10)
    await first.append(entryOf(first, each, each + 10), signal);
  await using second = await open(dir);
  await second.append(entryOf(second, 50, 60), signal);
  await assert.rejects(first.append(entryOf(first, 50, 99), signal), SpoolTakenError);
  await assert.rejects(acknowledge(first, 50), SpoolTakenError);
  await second.append(entryOf(second, 60, 70), signal);
  assert.deepEqual(await numbersIn(second), upTo(70));
  await using third = await open(dir);
  assert.deepEqual(
    await numbersIn(third),
    upTo(70),
    "what the first one wrote afterwards is overruled",
  );
});

test("a spool of a newer version is refused by name", async (t) => {
  const dir = await filled(t, 10);
  const [segment = ""] = segmentsIn(dir);
  const bytes = readFileSync(segment);
  const { crc32c } = await import("@node-rs/crc32");
  bytes.writeUInt16BE(2, 8);
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, 60)), 60);
  writeFileSync(segment, bytes);
  await assert.rejects(open(dir), SpoolFormatError);
});

test("an interval of syncs delays readers, not writers", async (t) => {
  const events = collectEvents();
  const dir = folder(t);
  await using spool = await open(dir, {
    syncMs: 20,
    onWait: (reason) => events.emit({ name: String(reason), level: "info", message: "" }),
  });
  await spool.append(entryOf(spool, 0, 10), signal);
  const reading = numbersIn(spool);
  assert.deepEqual(await reading, upTo(10));
});

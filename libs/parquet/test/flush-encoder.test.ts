import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FlushEncoder, FlushRecord } from "@hybridge/landing";
import { columns, postAt, redshiftColumnNames } from "@hybridge/tweet";
import { flushEncoder } from "../src/index.ts";
import { AT, assertDigest, assertEncoded, EPOCH, openReader, record, type Reader } from "./rows.ts";

const { signal } = new AbortController();
const landedAtMs = EPOCH + 60_000;
let directory: string;
let encoder: FlushEncoder;
let reader: Reader;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-flush-"));
  encoder = await flushEncoder({ stagingDirectory: directory, compression: "zstd" });
  reader = await openReader();
});
after(async () => {
  await reader[Symbol.asyncDispose]();
  await encoder[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(directory), []);
  await rm(directory, { recursive: true });
});

function posts(count: number, first = 0): FlushRecord[] {
  return Array.from({ length: count }, (_, index) =>
    record(first + index, postAt(7, first + index, EPOCH).json),
  );
}

test("rows are those of rowOf, with all of their records", async () => {
  const records = posts(6_000);
  await using buffer = encoder.open();
  for (let at = 0; at < records.length; at += 700) buffer.append(AT, records.slice(at, at + 700));
  assert.equal(buffer.rows, 6_000);
  await using encoded = await buffer.encode({ landedAtMs, signal });
  await assertEncoded(encoded, records, landedAtMs, reader);
  for (const file of encoded.files) await assertDigest(file);
  const [row] = await reader.rows(encoded.files[0]?.localPath ?? "");
  assert.deepEqual(Object.keys(row ?? {}), [...encoder.columns.names, "filename"]);
  assert.deepEqual(
    encoder.columns.names,
    columns.map(({ name }) => name),
  );
});

test("the bytes that an append was given may be changed afterwards", async () => {
  const records = posts(50);
  const lent = records.map((each) => ({
    ...each,
    key: each.key && Buffer.from(each.key),
    value: each.value && Buffer.from(each.value),
    headers: each.headers.map(([name, value]) => [name, value && Buffer.from(value)] as const),
  }));
  await using buffer = encoder.open();
  buffer.append(AT, lent);
  for (const { key, value, headers } of lent) {
    for (const each of [key, value, ...headers.map(([, content]) => content)]) each?.fill(0x21);
  }
  await using encoded = await buffer.encode({ landedAtMs, signal });
  await assertEncoded(encoded, records, landedAtMs, reader);
});

test("a flush accounts for every partition: ranges, counts, checksums", async () => {
  await using buffer = encoder.open();
  const first = { ...AT, partition: 0 };
  const second = { ...AT, partition: 1 };
  buffer.append(first, posts(300));
  buffer.append(second, posts(200, 1_000));
  buffer.append(first, [record(300, "no JSON")]);
  buffer.append({ ...AT, partition: 2 }, [record(5, "{")]);
  await using encoded = await buffer.encode({ landedAtMs, signal });
  const sumOf = (records: readonly FlushRecord[]) =>
    records.reduce((sum, { value }) => {
      const md5 = hash("md5", value ?? "", "hex");
      return sum + BigInt(`0x${md5.slice(0, 15)}`);
    }, 0n);
  assert.deepEqual(encoded.partitions, [
    { ...first, rows: 300, deadLetters: 1, md5Sum: sumOf(posts(300)) },
    { ...second, rows: 200, deadLetters: 0, md5Sum: sumOf(posts(200, 1_000)) },
    { ...AT, partition: 2, rows: 0, deadLetters: 1, md5Sum: 0n },
  ]);
  const ranges = encoded.files.flatMap((file) => file.ranges);
  assert.deepEqual(ranges, [
    { ...first, first: 0n, last: 299n, rows: 300 },
    { ...second, first: 1_000n, last: 1_199n, rows: 200 },
  ]);
});

test("partitions that were dropped or are left out are nowhere, and another try may differ", async () => {
  await using buffer = encoder.open();
  const [a, b, c] = [0, 1, 2].map((partition) => ({ ...AT, partition })) as [
    typeof AT,
    typeof AT,
    typeof AT,
  ];
  buffer.append(a, [...posts(10), record(10, "{")]);
  buffer.append(b, posts(20));
  buffer.append(c, posts(30));
  buffer.drop([b]);
  // Assigned again: what comes now counts, what was dropped does not.
  buffer.append(b, posts(5, 100));
  const partitionsOf = async (without: readonly (typeof AT)[]) => {
    await using encoded = await buffer.encode({ landedAtMs, without, signal });
    const rows = encoded.files.reduce((sum, file) => sum + file.rows, 0);
    const counted = encoded.partitions.map(({ partition, rows: own }) => [partition, own]);
    assert.equal(
      rows,
      encoded.partitions.reduce((sum, each) => sum + each.rows, 0),
    );
    assert.equal(encoded.deadLetters.length, without.includes(a) ? 0 : 1);
    return counted;
  };
  assert.deepEqual(await partitionsOf([]), [
    [0, 10],
    [2, 30],
    [1, 5],
  ]);
  assert.deepEqual(await partitionsOf([a]), [
    [2, 30],
    [1, 5],
  ]);
  assert.deepEqual(await partitionsOf([a, b, c]), []);
});

test("topics that share a name are told apart", async () => {
  await using buffer = encoder.open();
  buffer.append(AT, posts(3));
  buffer.append({ ...AT, topicId: "another" }, posts(4));
  await using encoded = await buffer.encode({ landedAtMs, signal });
  const counts = encoded.files[0]?.ranges.map(({ topicId, rows }) => [topicId, rows]);
  assert.deepEqual(
    new Map(counts as [string, number][]),
    new Map([
      [AT.topicId, 3],
      ["another", 4],
    ]),
  );
});

test("files of the external side: what Redshift keeps, and the rest beside it", async () => {
  const options = { stagingDirectory: directory, compression: "snappy", split: true } as const;
  await using split = await flushEncoder(options);
  await using buffer = split.open();
  const records = [...posts(500), { ...record(500, null), key: Buffer.from("9001") }];
  buffer.append(AT, records);
  await using encoded = await buffer.encode({ landedAtMs, signal });
  assert.deepEqual(split.columns.names, redshiftColumnNames());
  assert.notEqual(split.columns.id, encoder.columns.id);
  let rows = 0;
  for (const file of encoded.files) {
    assert.ok(file.raw);
    await assertDigest(file);
    await assertDigest(file.raw);
    const [typed, raw] = [await reader.rows(file.localPath), await reader.rows(file.raw.localPath)];
    assert.deepEqual(Object.keys(typed[0] ?? {}), [...split.columns.names, "filename"]);
    for (const [index, row] of typed.entries()) {
      const beside = raw[index] ?? {};
      assert.equal(beside["kafka_offset"], row["kafka_offset"]);
      const original = records[Number(row["kafka_offset"])];
      assert.equal(beside["raw"], original?.value?.toString() ?? null);
      assert.deepEqual(beside["kafka_key"], original?.key);
      const md5 = hash("md5", original?.value ?? "", "hex");
      assert.equal(row["raw_md5"], md5);
      rows += 1;
    }
  }
  assert.equal(rows, 501);
});

test("one buffer is filled while another is encoded", async () => {
  await using first = encoder.open();
  await using second = encoder.open();
  first.append(AT, posts(5_000));
  const encoding = first.encode({ landedAtMs, signal });
  const others = posts(5_000, 5_000);
  for (let at = 0; at < others.length; at += 100) {
    second.append(AT, others.slice(at, at + 100));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const both = [encoding, second.encode({ landedAtMs, signal })] as const;
  await using a = await both[0];
  await using b = await both[1];
  await assertEncoded(a, posts(5_000), landedAtMs, reader);
  await assertEncoded(b, others, landedAtMs, reader);
});

test("memory is used again by the next buffer, and nothing of the last one is in it", async () => {
  for (const count of [4_000, 10, 3_000]) {
    await using buffer = encoder.open();
    buffer.append(AT, posts(count));
    await using encoded = await buffer.encode({ landedAtMs, signal });
    await assertEncoded(encoded, posts(count), landedAtMs, reader);
  }
});

test("staged files are gone after disposal, and after an abort", async () => {
  const [own = ""] = await readdir(directory);
  await using buffer = encoder.open();
  buffer.append(AT, posts(3_000));
  {
    await using encoded = await buffer.encode({ landedAtMs, signal });
    assert.equal((await readdir(join(directory, own))).length, 1);
    assert.ok(encoded.files.length > 0);
  }
  assert.deepEqual(await readdir(join(directory, own)), []);
  const stop = new AbortController();
  const aborted = buffer.encode({ landedAtMs, signal: stop.signal });
  stop.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  assert.deepEqual(await readdir(join(directory, own)), []);
  await using again = await buffer.encode({ landedAtMs, signal });
  await assertEncoded(again, posts(3_000), landedAtMs, reader);
});

test("two encoders share a folder; what dead processes left goes, what living ones have stays", async () => {
  const shared = await mkdtemp(join(directory, "shared-"));
  const dead = join(shared, "flush-of-a-dead-process");
  const living = join(shared, "flush-of-a-living-process");
  for (const path of [dead, living]) await mkdir(join(path, "1"), { recursive: true });
  await utimes(dead, new Date(0), new Date(0));
  const options = { stagingDirectory: shared, compression: "zstd" } as const;
  {
    await using one = await flushEncoder(options);
    await using other = await flushEncoder(options);
    await using left = one.open();
    await using right = other.open();
    left.append(AT, posts(100));
    right.append(AT, posts(100, 100));
    await using a = await left.encode({ landedAtMs, signal });
    await using b = await right.encode({ landedAtMs, signal });
    await assertEncoded(a, posts(100), landedAtMs, reader);
    await assertEncoded(b, posts(100, 100), landedAtMs, reader);
    assert.equal((await readdir(shared)).length, 3);
  }
  assert.deepEqual(await readdir(shared), ["flush-of-a-living-process"]);
  await rm(shared, { recursive: true });
});

test("an empty buffer has no files", async () => {
  await using buffer = encoder.open();
  await using encoded = await buffer.encode({ landedAtMs, signal });
  assert.deepEqual([encoded.files, encoded.deadLetters, encoded.partitions], [[], [], []]);
});

test("many hours: a file each, in their order, whatever the order of their records", async () => {
  const hours = 120;
  const records = Array.from({ length: 2_000 }, (_, index) => {
    // One hour has most of the records, the others a few each.
    const hour = index % 3 === 0 ? ((index / 3) * 7_919) % hours : 77;
    const created_at = new Date(Date.UTC(2007, 0, 1) + hour * 3_600_000).toISOString();
    const json = JSON.stringify({ data: { id: `${index}`, created_at, text: `text ${index}` } });
    return { ...record(index, json), timestampMs: EPOCH };
  });
  const common = { stagingDirectory: directory, compression: "zstd" } as const;
  // With so little memory DuckDB cannot write all of them by one statement.
  for (const memoryBytes of [undefined, 16_000_000]) {
    const split = memoryBytes === undefined;
    await using many = await flushEncoder({
      ...common,
      ...(memoryBytes === undefined ? { split } : { memoryBytes }),
    });
    await using buffer = many.open();
    for (let at = 0; at < records.length; at += 100) buffer.append(AT, records.slice(at, at + 100));
    await using encoded = await buffer.encode({ landedAtMs, signal });
    assert.equal(encoded.files.length, hours);
    const names = encoded.files.map(({ dt, hr }) => `${dt} ${hr}`);
    assert.deepEqual(names, names.toSorted());
    assert.equal(new Set(names).size, hours);
    if (!split) await assertEncoded(encoded, records, landedAtMs, reader);
    for (const file of [encoded.files[0], encoded.files[77]]) {
      assert.ok(file);
      await assertDigest(file);
      assert.equal(file.raw !== undefined, split);
      if (file.raw) assert.equal((await reader.rows(file.raw.localPath)).length, file.rows);
    }
  }
});

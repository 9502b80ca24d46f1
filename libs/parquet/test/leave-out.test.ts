import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Encoded, EncodedPartition, FlushRecord } from "@hybridge/landing";
import { flushEncoder } from "../src/index.ts";
import { AT, assertDigest, EPOCH, openReader, record, type Reader } from "./rows.ts";

const { signal } = new AbortController();
const landedAtMs = EPOCH + 60_000;
const [A, B, C] = [0, 1, 2].map((partition) => ({ ...AT, partition })) as [
  typeof AT,
  typeof AT,
  typeof AT,
];
/** The same place in a topic that was made again under the name. */
const A_ANEW = { ...A, topicId: "YW5vdGhlci10b3BpYy1pZC1oZXJl" };

let directory: string;
let reader: Reader;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hybridge-leave-out-"));
  reader = await openReader();
});
after(async () => {
  await reader[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(directory), []);
  await rm(directory, { recursive: true });
});

function posts(count: number, first: number, created_at: string, text = "text"): FlushRecord[] {
  return Array.from({ length: count }, (_, index) =>
    record(first + index, JSON.stringify({ data: { id: `${first + index}`, created_at, text } })),
  );
}

const NINE = "2026-11-23T09:10:00.000Z";
const TEN = "2026-11-23T10:10:00.000Z";
const ELEVEN = "2026-11-23T11:10:00.000Z";

for (const split of [false, true]) {
  test(`leaving partitions out of files is like encoding without them, split: ${split}`, async () => {
    const options = { stagingDirectory: directory, compression: "snappy", split } as const;
    await using encoder = await flushEncoder(options);
    const buffer = encoder.open();
    for (let turn = 0; turn < 5; turn++) {
      buffer.append(A, posts(300, turn * 300, NINE));
      buffer.append(A_ANEW, posts(200, turn * 200, NINE));
      // Two hours with few rows, which one statement writes to files of one name.
      const [hour, length] = turn === 2 ? [TEN, 10] : [NINE, turn * 5_000];
      buffer.append(B, posts(100, turn * 100, hour, "x".repeat(length)));
    }
    buffer.append(B, [record(500, "{")]);
    buffer.append(A, [record(1_500, "[")]);
    buffer.append(C, posts(70, 0, ELEVEN));
    await using whole = await buffer.encode({ landedAtMs, signal });
    const lost: EncodedPartition[][] = [[A], [A_ANEW, B], [C], [A, A_ANEW, B, C]];
    const expected = [];
    for (const without of lost) {
      await using encoded = await buffer.encode({ landedAtMs, without, signal });
      expected.push(await contentOf(encoded));
    }
    // What follows has the files alone.
    await buffer[Symbol.asyncDispose]();
    for (const [index, without] of lost.entries()) {
      await using left = await whole.without(without, signal);
      assert.deepEqual(await contentOf(left), expected[index]);
    }
    // A second loss leaves out more of the same flush.
    await using first = await whole.without([A], signal);
    await using second = await first.without([A, A_ANEW, B], signal);
    assert.deepEqual(
      second.files.map(({ hr, rows }) => [hr, rows]),
      [["11", 70]],
    );
    assert.equal(second.deadLetters.length, 0);
  });
}

type Files = Pick<Encoded, "files" | "deadLetters" | "partitions">;

/** All that a flush says, with the rows of its files; not where they are. */
async function contentOf({ files, deadLetters, partitions }: Files) {
  const read = [];
  for (const file of files) {
    await assertDigest(file);
    if (file.raw) await assertDigest(file.raw);
    const { dt, hr, rows, ranges, localPath, raw } = file;
    const content = await rowsOf(localPath);
    assert.equal(content.length, rows);
    read.push({ dt, hr, rows, ranges, content, raw: raw && (await rowsOf(raw.localPath)) });
  }
  return { read, deadLetters, partitions };
}

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const rows = await reader.rows(path);
  for (const row of rows) delete row["filename"];
  return rows;
}

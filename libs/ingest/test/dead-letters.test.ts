import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openDeadLetters, type DeadLetter } from "../src/dead-letters.ts";
import { DeadLetterWriteError } from "../src/errors.ts";

const { signal } = new AbortController();
const ignore = () => undefined;

function open(dir: string, onWait: (reason: string | undefined) => void = ignore) {
  return openDeadLetters({ dir, onWritten: ignore, onWait });
}

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-dead-letters-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function letter(item: number, bytes = Buffer.from([0xff, 0x00, 0x0a])): DeadLetter {
  const reason = "the value is not UTF-8";
  return {
    sequence: "file-ab",
    item,
    index: 0,
    mark: item * 1_000,
    file: 'a "b".json',
    line: item,
    byteOffset: item * 7,
    code: "NOT_UTF8",
    reason,
    bytes,
    length: bytes.length,
  };
}

function linesIn(dir: string) {
  const text = readFileSync(join(dir, "ingest.ndjson"), "utf8");
  assert.ok(text.endsWith("\n"));
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a letter is written once, whoever opens the folder how often", async (t) => {
  const dir = folder(t);
  for (let round = 0; round < 3; round++) {
    await using letters = await open(dir);
    await letters.add(letter(1), signal);
    await letters.add(letter(2, Buffer.alloc(20_000, 0x61)), signal);
    await letters.flush(signal);
    await letters.add(letter(1), signal);
    await letters.flush(signal);
  }
  const [first, second, ...others] = linesIn(dir);
  assert.equal(others.length, 0);
  assert.deepEqual(first, {
    stream: "file-ab",
    place: 1,
    index: 0,
    mark: 1_000,
    file: 'a "b".json',
    item: 1,
    byteOffset: 7,
    code: "NOT_UTF8",
    reason: "the value is not UTF-8",
    length: 3,
    sha256: createHash("sha256")
      .update(Buffer.from([0xff, 0x00, 0x0a]))
      .digest("hex"),
    truncated: false,
    base64: "/wAK",
  });
  assert.equal(second?.["length"], 20_000);
});

test("the same place of a file that was changed is another letter", async (t) => {
  const dir = folder(t);
  for (const mark of [5, 6, 5]) {
    await using letters = await open(dir);
    await letters.add({ ...letter(1), mark }, signal);
    await letters.flush(signal);
  }
  assert.deepEqual(
    linesIn(dir).map(({ mark }) => mark),
    [5, 6, 5],
    "of one place only the last is remembered",
  );
});

test("letters of an earlier version are known", async (t) => {
  const dir = folder(t);
  writeFileSync(
    join(dir, "ingest.ndjson"),
    '{"file":"x","item":1,"byteOffset":7,"code":"NO_ID"}\n',
  );
  await using letters = await open(dir);
  await letters.add({ ...letter(1), file: "x" }, signal);
  await letters.add(letter(2), signal);
  await letters.flush(signal);
  assert.equal(linesIn(dir).length, 2);
});

test("a hundred thousand letters are a few writes, and a crash loses none that was flushed", async (t) => {
  const dir = folder(t);
  let writes = 0;
  {
    await using letters = await openDeadLetters({
      dir,
      onWritten: () => (writes += 1),
      onWait: ignore,
    });
    for (let item = 0; item < 100_000; item++) await letters.add(letter(item), signal);
    await letters.flush(signal);
  }
  assert.ok(writes <= 20, `${writes} writes`);
  assert.equal(linesIn(dir).length, 100_000);
  const size = statSync(join(dir, "ingest.ndjson")).size;
  await using letters = await open(dir);
  for (let item = 0; item < 100_000; item++) await letters.add(letter(item), signal);
  await letters.flush(signal);
  assert.equal(statSync(join(dir, "ingest.ndjson")).size, size);
});

test("a line that a crash cut short is taken back and written again", async (t) => {
  const dir = folder(t);
  {
    await using letters = await open(dir);
    await letters.add(letter(1), signal);
    await letters.add(letter(2), signal);
    await letters.flush(signal);
  }
  const path = join(dir, "ingest.ndjson");
  const whole = readFileSync(path, "utf8");
  for (const cut of [1, 2, 60, 200]) {
    writeFileSync(path, whole.slice(0, -cut));
    await using letters = await open(dir);
    await letters.add(letter(1), signal);
    await letters.add(letter(2), signal);
    await letters.flush(signal);
    assert.equal(readFileSync(path, "utf8"), whole);
  }
  appendFileSync(path, "{");
  await using letters = await open(dir);
  await letters.add(letter(2), signal);
  await letters.flush(signal);
  assert.equal(readFileSync(path, "utf8"), whole);
});

test("a folder that cannot be is a named error that no retry cures", async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "file"), "");
  await assert.rejects(open(join(dir, "file")), (error: unknown) => {
    assert.ok(error instanceof DeadLetterWriteError);
    assert.equal(error.retry, "never");
    assert.match(error.message, /HYBRIDGE_DEAD_LETTER_DIR/);
    return true;
  });
});

test("a full disk is told as such, and the letter waits for room", async (t) => {
  if (!existsSync("/dev/full")) {
    t.skip("this system has no /dev/full");
    return;
  }
  const dir = folder(t);
  const path = join(dir, "ingest.ndjson");
  symlinkSync("/dev/full", path);
  const waiting = new AbortController();
  const reasons: (string | undefined)[] = [];
  await using letters = await open(dir, (reason) => {
    reasons.push(reason);
    if (reasons.length === 2) waiting.abort(new DOMException("enough", "AbortError"));
  });
  await letters.add(letter(1), waiting.signal);
  await assert.rejects(letters.flush(waiting.signal));
  assert.equal(reasons.length, 2);
  for (const reason of reasons) assert.match(reason ?? "", /the disk is full/);
});

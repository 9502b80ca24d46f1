import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repairS3Store } from "../src/s3-store-repair.ts";

interface Index {
  readonly objects: Record<string, string>;
  readonly path: string;
  readonly bucketRegion?: string;
  readonly kept?: string;
}

/** A store with one bucket, in which `objects` are whole. */
function store(objects: readonly string[]) {
  const root = mkdtempSync(join(tmpdir(), "hybridge-s3-repair-"));
  const data = join(root, "data");
  const bucket = join(data, "one");
  mkdirSync(bucket, { recursive: true });
  const indexFile = join(bucket, "bucketMetadata.json");
  const ids = Object.fromEntries(objects.map((key) => [key, randomUUID()]));
  const folderOf = (key: string) => join(bucket, ids[key] ?? "");
  for (const key of objects) {
    mkdirSync(folderOf(key));
    writeFileSync(join(folderOf(key), "binaryData"), `data of ${key}`);
    writeFileSync(
      join(folderOf(key), "objectMetadata.json"),
      JSON.stringify({ id: ids[key], key, size: String(`data of ${key}`.length) }),
    );
  }
  const index = { name: "one", path: `file://${bucket}/`, kept: "setting", objects: ids };
  writeFileSync(indexFile, JSON.stringify(index));
  return {
    data,
    bucket,
    ids,
    folderOf,
    indexFile,
    readIndex: () => JSON.parse(readFileSync(indexFile, "utf8")) as Index,
    [Symbol.dispose]: () => {
      rmSync(root, { recursive: true });
    },
  };
}

test("a sound store, and none at all, are left as they are", () => {
  using s3 = store(["a", "b/c"]);
  const before = readFileSync(s3.indexFile, "utf8");
  assert.deepEqual(repairS3Store(s3.data), []);
  assert.equal(readFileSync(s3.indexFile, "utf8"), before);
  assert.deepEqual(repairS3Store(join(s3.data, "nothing")), []);
});

for (const [what, text] of [
  ["empty", ""],
  ["cut off", '{"name":"one","path":"file:///x","objects":{"a":"'],
]) {
  test(`an index that is ${what} is made again from the whole objects`, () => {
    using s3 = store(["a", "b/c", "torn"]);
    writeFileSync(s3.indexFile, text ?? "");
    writeFileSync(join(s3.folderOf("torn"), "objectMetadata.json"), "");
    assert.match(repairS3Store(s3.data).join("\n"), /removed one\/.*\n.*again, from 2 objects/);
    const { objects, path, bucketRegion } = s3.readIndex();
    assert.deepEqual(objects, { a: s3.ids["a"], "b/c": s3.ids["b/c"] });
    assert.equal(path, `file://${s3.bucket}/`);
    assert.equal(bucketRegion, "us-east-1");
    assert.equal(existsSync(s3.folderOf("torn")), false);
    assert.deepEqual(repairS3Store(s3.data), []);
  });
}

test("objects that were not written to their end leave a sound index, which keeps its settings", () => {
  using s3 = store(["a", "no metadata", "cut metadata", "cut data", "no data"]);
  rmSync(join(s3.folderOf("no metadata"), "objectMetadata.json"));
  writeFileSync(join(s3.folderOf("cut metadata"), "objectMetadata.json"), '{"id":"');
  writeFileSync(join(s3.folderOf("cut data"), "binaryData"), "da");
  rmSync(join(s3.folderOf("no data"), "binaryData"));
  assert.equal(repairS3Store(s3.data).length, 4);
  assert.deepEqual(s3.readIndex().objects, { a: s3.ids["a"] });
  assert.equal(s3.readIndex().kept, "setting");
});

test("an upload that can go on keeps its place, and loses the part that was torn", () => {
  using s3 = store(["a"]);
  const upload = join(s3.bucket, "multiparts", randomUUID());
  const torn = join(s3.bucket, "multiparts", randomUUID());
  for (const dir of [upload, torn]) mkdirSync(dir, { recursive: true });
  writeFileSync(join(upload, "multipartMetadata.json"), JSON.stringify({ upload: { Key: "big" } }));
  for (const part of [1, 2]) {
    writeFileSync(join(upload, `${part}.part`), "12345");
    writeFileSync(join(upload, `${part}.partmeta.json`), '{"size":5}');
  }
  writeFileSync(join(upload, "2.part"), "12");
  writeFileSync(join(torn, "multipartMetadata.json"), "");
  writeFileSync(s3.indexFile, "");
  repairS3Store(s3.data);
  assert.deepEqual(Object.keys(s3.readIndex().objects).sort(), ["a", "big"]);
  assert.equal(existsSync(join(upload, "1.part")), true);
  assert.equal(existsSync(join(upload, "2.part")), false);
  assert.equal(existsSync(join(upload, "2.partmeta.json")), false);
  assert.equal(existsSync(torn), false);
});

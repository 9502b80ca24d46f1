import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "@hybridge/core";
import { memoryLanding, MemoryFolderFullError, ProcessDiedError } from "../src/testing/index.ts";

const signal = new AbortController().signal;
const text = (value: string) => Buffer.from(value);

for (const moves of [true, false]) {
  test(`a draft gets a name once, and finds it taken when repeated (moves: ${moves})`, async () => {
    const store = memoryLanding({ moves }).open();
    const draft = await store.draft("_staging/a.json", text("a"), signal);
    assert.equal(await draft.createAs("_log/1.json", signal), "created");
    assert.equal(await draft.createAs("_log/1.json", signal), "exists");
    assert.equal((await store.read("_log/1.json", signal))?.toString(), "a");
    assert.equal(
      (await store.read("_staging/a.json", signal))?.toString(),
      moves ? undefined : "a",
    );
  });
}

test("a late request wins when it arrives, unless another was faster", async () => {
  const landing = memoryLanding({ moves: false });
  const store = landing.open();
  store.fault = (call) => (call === "create" ? "late" : "none");
  await assert.rejects(store.create("x/a", text("late"), signal), UnavailableError);
  await assert.rejects(store.create("x/b", text("late"), signal), UnavailableError);
  assert.equal(landing.late, 2);
  assert.equal(await landing.open().create("x/b", text("other"), signal), "created");
  landing.deliver();
  landing.deliver();
  assert.equal((await store.read("x/a", signal))?.toString(), "late");
  assert.equal((await store.read("x/b", signal))?.toString(), "other");
});

test("faults fall before and after the effect; a dead process has none", async () => {
  const store = memoryLanding().open();
  store.fault = (_, path) => (path === "a" ? "before" : path === "b" ? "after" : "none");
  await assert.rejects(store.put("a", text("a"), signal), UnavailableError);
  await assert.rejects(store.put("b", text("b"), signal), UnavailableError);
  assert.deepEqual((await store.list("", "", signal)).names, ["b"]);
  store.kill();
  await assert.rejects(store.put("c", text("c"), signal), ProcessDiedError);
});

test("listings come in pages in the order of names, and a full folder refuses", async () => {
  const landing = memoryLanding({ listingMax: 3, folderMax: 5 });
  const store = landing.open();
  for (const name of ["d", "b/x", "a", "e", "c"]) await store.put(`f/${name}`, text(name), signal);
  const first = await store.list("f", "", signal);
  assert.deepEqual(first, { names: ["a", "b/", "c"], more: true });
  assert.deepEqual(await store.list("f", "c", signal), { names: ["d", "e"], more: false });
  await assert.rejects(store.put("f/g", text("g"), signal), MemoryFolderFullError);
  await store.put("f/a", text("replaced"), signal);
  assert.equal(await store.move("f/b/x", "f/d", signal), "exists");
  assert.equal(await store.move("f/none", "f/b/y", signal), "absent");
  await store.remove(["f/b/", "f/a"], signal);
  assert.deepEqual(landing.tree.paths().sort(), ["f/c", "f/d", "f/e"]);
  assert.equal(landing.tree.folderPeak, 5);
});

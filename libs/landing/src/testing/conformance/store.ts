import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { LocalFile, TableStore } from "../../store-port.ts";
import { localFile } from "../local-file.ts";

/** A store under test: an empty folder of it. `reopen` is what another process would have. */
export interface TableStoreUnderTest extends AsyncDisposable {
  readonly store: TableStore;
  reopen(): TableStore;
  /** The content of a file, asked of a client that is not the store; undefined when there is none. */
  readBack(path: string): Promise<Buffer | undefined>;
  /** A file longer than one block, part or page of the store. */
  readonly largeBytes: number;
}

/** Registers with node:test what every TableStore must do. `open` is called once. */
export function tableStoreConformance(
  name: string,
  open: () => Promise<TableStoreUnderTest>,
): void {
  void describe(`table store: ${name}`, () => {
    const tools = new Tools();
    before(async () => {
      tools.directory = await mkdtemp(join(tmpdir(), "hybridge-conformance-"));
      tools.subject = await open();
    });
    after(async () => {
      await tools.subject[Symbol.asyncDispose]();
      await rm(tools.directory, { recursive: true, force: true });
    });
    smallFileCases(tools);
    draftCases(tools);
    listCases(tools);
    dataCases(tools);
  });
}

const signal = new AbortController().signal;
const bytes = (text: string) => Buffer.from(text);
const WRITERS = 8;

class Tools {
  subject!: TableStoreUnderTest;
  directory = "";
  get store(): TableStore {
    return this.subject.store;
  }
  async text(path: string): Promise<string | undefined> {
    return (await this.store.read(path, signal))?.toString();
  }
  file(content: Buffer): Promise<LocalFile> {
    return localFile(this.directory, content);
  }
}

function smallFileCases(tools: Tools): void {
  void it("creates a name once, and nothing that comes later changes it", async () => {
    const { store } = tools;
    assert.equal(await store.read("_log/once", signal), undefined);
    assert.equal(await store.create("_log/once", bytes("first"), signal), "created");
    assert.equal(await store.create("_log/once", bytes("second"), signal), "exists");
    assert.equal(await tools.subject.reopen().create("_log/once", bytes("3"), signal), "exists");
    assert.equal(await tools.text("_log/once"), "first");
  });

  void it("lets one of many that create a name at once win, and all see its content", async () => {
    const stores = Array.from({ length: WRITERS }, () => tools.subject.reopen());
    const outcomes = await Promise.all(
      stores.map((store, n) => store.create("_log/race", bytes(`writer ${n}`), signal)),
    );
    assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1, String(outcomes));
    const winner = outcomes.indexOf("created");
    for (const store of stores) {
      assert.equal((await store.read("_log/race", signal))?.toString(), `writer ${winner}`);
    }
  });

  void it("replaces a small file as a whole", async () => {
    await tools.store.put("_log/catalogs/c.json", bytes("one"), signal);
    assert.equal(await tools.text("_log/catalogs/c.json"), "one");
    await tools.subject.reopen().put("_log/catalogs/c.json", bytes("two, longer"), signal);
    assert.equal(await tools.text("_log/catalogs/c.json"), "two, longer");
  });

  void it("keeps any bytes and an empty file", async () => {
    const content = randomBytes(100_000);
    await tools.store.create("_log/bytes", content, signal);
    assert.deepEqual(await tools.subject.readBack("_log/bytes"), content);
    await tools.store.create("_log/empty", Buffer.alloc(0), signal);
    assert.equal((await tools.store.read("_log/empty", signal))?.length, 0);
    assert.equal(await tools.store.size("_log/empty", signal), 0);
    assert.equal(await tools.store.size("_log/bytes", signal), content.length);
    assert.equal(await tools.store.size("_log/nothing", signal), undefined);
  });

  void it("does nothing for a caller that has gone", async () => {
    const gone = AbortSignal.abort(new Error("gone"));
    await assert.rejects(tools.store.create("_log/gone", bytes("x"), gone), /gone/);
    assert.equal(await tools.text("_log/gone"), undefined);
  });
}

function draftCases(tools: Tools): void {
  void it("gives a draft its name if that is free, else the next one", async () => {
    const { store } = tools;
    await store.create("_log/d1", bytes("somebody's"), signal);
    const draft = await store.draft("_staging/d.json", bytes("mine"), signal);
    assert.equal(await tools.text("_staging/d.json"), "mine");
    assert.equal(await draft.createAs("_log/d1", signal), "exists");
    assert.equal(await draft.createAs("_log/d2", signal), "created");
    assert.equal(await tools.text("_log/d1"), "somebody's");
    assert.equal(await tools.text("_log/d2"), "mine");
    assert.equal(await draft.createAs("_log/d2", signal), "exists", "the answer to a retry");
    assert.equal(await tools.text("_log/d2"), "mine");
  });

  void it("a draft whose first try was half written is written anew", async () => {
    const { store } = tools;
    await store.draft("_staging/twice.json", bytes("first try, longer"), signal);
    const draft = await store.draft("_staging/twice.json", bytes("second"), signal);
    assert.equal(await draft.createAs("_log/twice", signal), "created");
    assert.equal(await tools.text("_log/twice"), "second");
  });

  void it("lets one of many drafts win a name", async () => {
    const drafts = await Promise.all(
      Array.from({ length: WRITERS }, (_, n) =>
        tools.subject.reopen().draft(`_staging/race-${n}.json`, bytes(`draft ${n}`), signal),
      ),
    );
    const outcomes = await Promise.all(drafts.map((draft) => draft.createAs("_log/won", signal)));
    assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1, String(outcomes));
    assert.equal(await tools.text("_log/won"), `draft ${outcomes.indexOf("created")}`);
  });
}

const MANY = 230;

function listCases(tools: Tools): void {
  const all = async (folder: string, after = "") => {
    const names: string[] = [];
    for (let last = after; ; last = names.at(-1) ?? last) {
      const page = await tools.store.list(folder, last, signal);
      names.push(...page.names);
      if (!page.more) return names;
      assert.ok(page.names.length > 0, "a page with nothing in it promises more");
    }
  };
  void it("lists names in the order of their bytes, after a name, page by page", async () => {
    const wanted = Array.from(
      { length: MANY },
      (_, n) => `${String(n * 7).padStart(20, "0")}.json`,
    );
    const shuffled = wanted.toSorted(() => Math.random() - 0.5);
    for (let start = 0; start < MANY; start += WRITERS) {
      const some = shuffled.slice(start, start + WRITERS);
      await Promise.all(some.map((name) => tools.store.create(`many/${name}`, bytes("x"), signal)));
    }
    assert.deepEqual(await all("many"), wanted);
    assert.deepEqual(await all("many", wanted[100]), wanted.slice(101));
    assert.deepEqual(await all("many", wanted.at(-1)), []);
    assert.deepEqual(await all("many", "00000000000000000001"), wanted.slice(1));
  });

  void it("lists folders with a slash, and nothing of what is in them", async () => {
    for (const path of ["tree/a.json", "tree/b/1", "tree/b/2", "tree/c/deep/1", "tree/dt=1/hr=2/f"])
      await tools.store.create(path, bytes("x"), signal);
    assert.deepEqual(await all("tree"), ["a.json", "b/", "c/", "dt=1/"]);
    assert.deepEqual(await all("tree", "b/"), ["c/", "dt=1/"]);
    assert.deepEqual(await all("tree/b"), ["1", "2"]);
    assert.deepEqual(await all("never-made"), []);
  });

  void it("removes files and folders; what is not there is no error", async () => {
    await tools.store.create("gone/1", bytes("x"), signal);
    await tools.store.create("gone/sub/2", bytes("x"), signal);
    await tools.store.create("gone/sub/deep/3", bytes("x"), signal);
    await tools.store.remove(["gone/1", "gone/never", "never-made/1"], signal);
    assert.deepEqual(await all("gone"), ["sub/"]);
    await tools.store.remove(["gone/sub/", "never-made/"], signal);
    assert.deepEqual(await all("gone"), []);
    await tools.store.remove([], signal);
    assert.equal(await tools.store.create("gone/1", bytes("again"), signal), "created");
  });

  void it("removes a folder of more than a page", async () => {
    await tools.store.remove(["many/"], signal);
    assert.deepEqual(await all("many"), []);
  });
}

function dataCases(tools: Tools): void {
  const uploaded = (path: string) => (tools.store.moves ? `_staging/0-x/${path}` : `dt=1/${path}`);

  void it("uploads small and large files as they are", async () => {
    for (const [name, length] of [
      ["small", 5_000],
      ["large", tools.subject.largeBytes],
      ["nothing", 0],
    ] as const) {
      const content = randomBytes(length);
      await tools.store.upload(uploaded(name), await tools.file(content), signal);
      assert.equal(await tools.store.size(uploaded(name), signal), length);
      assert.ok((await tools.subject.readBack(uploaded(name)))?.equals(content), name);
    }
  });

  void it("replaces what an earlier try has left", async () => {
    await tools.store.upload(uploaded("again"), await tools.file(bytes("half")), signal);
    await tools.store.upload(uploaded("again"), await tools.file(bytes("whole file")), signal);
    assert.equal(await tools.text(uploaded("again")), "whole file");
  });

  void it("does not believe in a file that changed on its way", async () => {
    const file = await tools.file(bytes("what was measured"));
    await writeFile(file.localPath, "what is there now");
    const short = { ...file, bytes: file.bytes + 1 };
    await assert.rejects(tools.store.upload(uploaded("short"), short, signal));
  });

  void it("moves a file once, never over another", async () => {
    const { store } = tools;
    if (!store.moves) {
      await assert.rejects(store.move("a", "b", signal), /moves nothing/);
      return;
    }
    await store.upload("_staging/0-m/0", await tools.file(bytes("rows")), signal);
    assert.equal(await store.move("_staging/0-m/0", "dt=2/hr=01/f", signal), "moved");
    assert.equal(await store.move("_staging/0-m/0", "dt=2/hr=01/f", signal), "absent");
    assert.equal(await tools.text("dt=2/hr=01/f"), "rows");
    await store.upload("_staging/0-m/1", await tools.file(bytes("other")), signal);
    assert.equal(await store.move("_staging/0-m/1", "dt=2/hr=01/f", signal), "exists");
    assert.equal(await tools.text("dt=2/hr=01/f"), "rows");
    await store.remove(["dt=2/"], signal);
    assert.equal(await store.move("_staging/0-m/1", "dt=2/hr=01/f", signal).catch(again), "moved");

    // A folder that somebody removed is made anew by the next try, which the caller makes.
    function again() {
      return store.move("_staging/0-m/1", "dt=2/hr=01/f", signal);
    }
  });
}

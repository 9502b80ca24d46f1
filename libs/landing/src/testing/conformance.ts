import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FencedError } from "../errors.ts";
import type { Cut, LandedFile, LandingStore, LedgerEntry } from "../ports.ts";
import { encodedFile } from "./text-encoder.ts";

/** A store under test. `reopen` is what a restarted process would have; both see the same data. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: LandingStore;
  reopen(): Promise<LandingStore>;
  /** The content at a LandedFile's location; undefined when there is none. */
  readBack(location: string): Promise<Buffer | undefined>;
}

const HOUR = "2026-11-23T09";

/**
 * Registers with node:test what every LandingStore must do. `open` is called once; each case uses
 * a topic of its own, so a store may keep what earlier runs left.
 */
export function landingStoreConformance(
  name: string,
  open: () => Promise<StoreUnderTest>,
  options: { readonly skip?: string } = {},
): void {
  void describe(`landing store: ${name}`, options.skip ? { skip: options.skip } : {}, () => {
    const signal = new AbortController().signal;
    const run = Date.now().toString(36);
    let subject: StoreUnderTest;
    let directory: string;
    let topics = 0;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "hybridge-conformance-"));
      subject = await open();
    });
    after(async () => {
      await subject[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    });
    const cutOf = (first: bigint, last: bigint, over: Partial<Cut> = {}): Cut => ({
      topic: `conformance.${run}-${topics}`,
      partition: 0,
      first,
      last,
      decidedAtMs: 1_700_000_000_000,
      schema: "t1",
      ...over,
    });
    const test = (title: string, body: (store: LandingStore) => Promise<void>) => {
      void it(title, async () => {
        topics += 1;
        await body(subject.store);
      });
    };
    const file = (cut: Cut, content: string, hour = HOUR) =>
      encodedFile(cut, directory, hour, content);
    const land = async (store: LandingStore, cut: Cut): Promise<LedgerEntry> => {
      await store.writeCut(cut, signal);
      const landed = await store.publish(await file(cut, `rows of ${cut.first}`), signal);
      const entry = entryOf(cut, [landed]);
      await store.commit(entry, signal);
      return entry;
    };

    ledgerCases({ test, cutOf, land, signal, reopen: () => subject.reopen() });
    fileCases({ test, cutOf, file, signal, readBack: (at) => subject.readBack(at) });
  });
}

interface LedgerTools {
  readonly test: (title: string, body: (store: LandingStore) => Promise<void>) => void;
  readonly cutOf: (first: bigint, last: bigint, over?: Partial<Cut>) => Cut;
  readonly land: (store: LandingStore, cut: Cut) => Promise<LedgerEntry>;
  readonly reopen: () => Promise<LandingStore>;
  readonly signal: AbortSignal;
}

function ledgerCases({ test, cutOf, land, reopen, signal }: LedgerTools): void {
  test("an unknown partition has an empty ledger", async (store) => {
    const state = await store.readLedger(cutOf(0n, 0n), signal);
    assert.deepEqual(state, { position: undefined, openCut: undefined });
    assert.deepEqual(await entriesOf(store, cutOf(0n, 0n), 0n, signal), []);
  });

  test("a decided cut is open until it is committed, over restarts", async (store) => {
    const cut = cutOf(7n, 19n);
    await store.writeCut(cut, signal);
    const restarted = await reopen();
    assert.deepEqual(await restarted.readLedger(cut, signal), { position: 7n, openCut: cut });
    await restarted.commit(entryOf(cut, []), signal);
    const after = await (await reopen()).readLedger(cut, signal);
    assert.deepEqual(after, { position: 20n, openCut: undefined });
  });

  test("writing the same cut and commit again is success", async (store) => {
    const cut = cutOf(0n, 9n);
    await land(store, cut);
    await land(await reopen(), cut);
    const state = await store.readLedger(cut, signal);
    assert.deepEqual(state, { position: 10n, openCut: undefined });
  });

  test("another cut at the same place is fenced", async (store) => {
    await store.writeCut(cutOf(0n, 9n), signal);
    const rival = await reopen();
    await rival.readLedger(cutOf(0n, 9n), signal);
    await assert.rejects(rival.writeCut(cutOf(0n, 8n), signal), FencedError);
    const later = cutOf(0n, 9n, { decidedAtMs: 1_700_000_000_001 });
    await assert.rejects(rival.writeCut(later, signal), FencedError);
  });

  test("a rival that began elsewhere is fenced", async (store) => {
    const rival = await reopen();
    await rival.readLedger(cutOf(0n, 0n), signal);
    await land(store, cutOf(10n, 19n));
    await assert.rejects(rival.writeCut(cutOf(15n, 30n), signal), FencedError);
    await assert.rejects(rival.writeCut(cutOf(0n, 9n), signal), FencedError);
  });

  test("a zombie that lost its turn is fenced at its next cut", async (store) => {
    await land(store, cutOf(0n, 9n));
    const heir = await reopen();
    await heir.readLedger(cutOf(0n, 0n), signal);
    await land(heir, cutOf(10n, 14n));
    await assert.rejects(store.writeCut(cutOf(10n, 19n), signal), FencedError);
  });

  test("another commit of the same cut is fenced", async (store) => {
    const cut = cutOf(0n, 9n);
    await land(store, cut);
    await assert.rejects(store.commit({ ...entryOf(cut, []), rows: 99 }, signal), FencedError);
  });

  test("entries come back whole, in the order of offsets, from any of them on", async (store) => {
    const landed: LedgerEntry[] = [];
    // 9 -> 10 and 99 -> 100: text order is not number order.
    const bounds = [0n, 9n, 10n, 99n, 100n, 9_999_999_999n];
    for (const [index, first] of bounds.entries()) {
      const next = bounds[index + 1] ?? first + 5n;
      landed.push(await land(store, cutOf(first, next - 1n)));
    }
    assert.deepEqual(await entriesOf(store, cutOf(0n, 0n), 0n, signal), landed);
    assert.deepEqual(await entriesOf(store, cutOf(0n, 0n), 10n, signal), landed.slice(2));
    assert.deepEqual(await entriesOf(store, cutOf(0n, 0n), 11n, signal), landed.slice(3));
    const state = await (await reopen()).readLedger(cutOf(0n, 0n), signal);
    assert.equal(state.position, 10_000_000_004n);
  });

  test("partitions do not see each other", async (store) => {
    await land(store, cutOf(0n, 9n));
    await land(store, cutOf(0n, 4n, { partition: 1 }));
    await land(store, cutOf(0n, 6n, { partition: 11 }));
    const position = async (partition: number) =>
      (await store.readLedger(cutOf(0n, 0n, { partition }), signal)).position;
    assert.deepEqual([await position(0), await position(1), await position(11)], [10n, 5n, 7n]);
  });

  test("an aborted signal stops a call", async (store) => {
    const reason = new DOMException("enough", "AbortError");
    await assert.rejects(store.readLedger(cutOf(0n, 0n), AbortSignal.abort(reason)));
  });
}

interface FileTools {
  readonly test: (title: string, body: (store: LandingStore) => Promise<void>) => void;
  readonly cutOf: (first: bigint, last: bigint) => Cut;
  readonly file: (cut: Cut, content: string, hour?: string) => ReturnType<typeof encodedFile>;
  readonly readBack: (location: string) => Promise<Buffer | undefined>;
  readonly signal: AbortSignal;
}

function fileCases({ test, cutOf, file, readBack, signal }: FileTools): void {
  test("a published file has its exact content at its location", async (store) => {
    const content = "line one\nünïcödé 🦊\n\u0000\r\n";
    const encoded = await file(cutOf(0n, 9n), content);
    const landed = await store.publish(encoded, signal);
    assert.equal((await readBack(landed.location))?.toString(), content);
    const { name, dt, hr, rows, bytes, sha256 } = encoded;
    const { location, ...rest } = landed;
    assert.deepEqual(rest, { name, dt, hr, rows, bytes, sha256 });
    assert.ok(location.endsWith(name), `${location} does not end with ${name}`);
  });

  test("publishing the same file again is success", async (store) => {
    const encoded = await file(cutOf(0n, 9n), "the same");
    const first = await store.publish(encoded, signal);
    assert.deepEqual(await store.publish(encoded, signal), first);
  });

  test("other content under the same name is fenced and changes nothing", async (store) => {
    const landed = await store.publish(await file(cutOf(0n, 9n), "content A"), signal);
    const rival = await file(cutOf(0n, 9n), "content B");
    await assert.rejects(store.publish(rival, signal), FencedError);
    assert.equal((await readBack(landed.location))?.toString(), "content A");
  });

  test("an empty file and one of several megabytes", async (store) => {
    const empty = await store.publish(await file(cutOf(0n, 0n), ""), signal);
    assert.equal((await readBack(empty.location))?.length, 0);
    const large = "0123456789abcdef".repeat(300_000);
    const landed = await store.publish(await file(cutOf(1n, 9n), large), signal);
    assert.ok((await readBack(landed.location))?.equals(Buffer.from(large)));
  });

  test("files of several hours lie apart", async (store) => {
    const cut = cutOf(0n, 9n);
    const nine = await store.publish(await file(cut, "nine", "2026-11-23T09"), signal);
    const ten = await store.publish(await file(cut, "ten", "2026-11-23T10"), signal);
    assert.match(nine.location, /dt=2026-11-23\/hr=09\//);
    assert.match(ten.location, /dt=2026-11-23\/hr=10\//);
  });

  test("two owners publishing at once leave one whole file", async (store) => {
    const a = await file(cutOf(0n, 9n), "A".repeat(50_000), "2026-11-23T01");
    const b = await file(cutOf(0n, 9n), "B".repeat(60_000), "2026-11-23T02");
    const rival = { ...b, name: a.name, dt: a.dt, hr: a.hr };
    const outcomes = await Promise.allSettled([
      store.publish(a, signal),
      store.publish(rival, signal),
    ]);
    const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
    const lost = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.equal(won.length, 1);
    assert.ok(lost[0]?.reason instanceof FencedError, String(lost[0]?.reason));
    const content = (await readBack(won[0]?.value.location ?? ""))?.toString();
    assert.equal(
      content,
      won[0]?.value.bytes === a.bytes ? "A".repeat(50_000) : "B".repeat(60_000),
    );
  });

  test("dead letters are idempotent and fenced as files are", async (store) => {
    const cut = cutOf(0n, 9n);
    const letter = {
      topic: cut.topic,
      partition: 0,
      offset: 3n,
      reason: "not JSON",
      key: Buffer.from("k"),
      value: Buffer.from([0xff, 0x00]),
      headers: [["h", null]] as const,
    };
    await store.publishDeadLetters(cut, [letter], signal);
    await store.publishDeadLetters(cut, [letter], signal);
    const other = { ...letter, reason: "other" };
    await assert.rejects(store.publishDeadLetters(cut, [other], signal), FencedError);
    await store.publishDeadLetters(cutOf(10n, 11n), [], signal);
  });
}

function entryOf(cut: Cut, files: readonly LandedFile[]): LedgerEntry {
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  return { cut, files, rows, deadLetters: 0 };
}

async function entriesOf(
  store: LandingStore,
  cut: Cut,
  from: bigint,
  signal: AbortSignal,
): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for await (const entry of store.listEntries(cut, from, signal)) entries.push(entry);
  return entries;
}

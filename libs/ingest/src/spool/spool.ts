import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError, Notifier, retryOf, systemClock, type MonotonicClock } from "@hybridge/core";
import { SpoolDamagedError, SpoolWriteError } from "../errors.ts";
import { readAcknowledged, writeAcknowledged, type Acknowledged } from "./acknowledged.ts";
import { replaceFile, syncFile } from "./files.ts";
import { encodeFrame, type FrameMeta, type RecordToKeep } from "./format.ts";
import { SegmentLog } from "./log.ts";
import { takeOwnership, type Owner } from "./owner.ts";
import { FrameReader, type SpooledBatch } from "./reader.ts";
import { recover, type Recovered } from "./recover.ts";
import type { PartState } from "./state.ts";
import { hashOf } from "./window.ts";

export interface SpoolOptions {
  readonly dir: string;
  /** Of all segments together; then the spool is full. */
  readonly bytesMax: number;
  /**
   * How often frames are forced to the disk: a power cut costs at most what was kept in so many ms,
   * and so long a record waits before it is published. 0: each frame, before anybody is told.
   */
  readonly syncMs: number;
  /** A segment is ended when it has so many; default 64 MiB, or an eighth of `bytesMax`. */
  readonly segmentBytes?: number;
  /** How many records are remembered at least, to leave out what is said twice. */
  readonly windowPosts?: number;
  /** Told why nothing is kept for a while (a full spool, a full disk), and undefined when it goes on. */
  readonly onWait: (reason: string | undefined) => void;
  /** Told of bytes behind the last whole frame, which nobody was told were kept. */
  readonly onTorn: (bytes: number) => void;
  readonly clock?: MonotonicClock;
}

/** What a frame is made of, once it is its turn. */
export interface FrameContent {
  readonly meta: FrameMeta;
  readonly records: readonly RecordToKeep[];
}

export interface SpoolEntry {
  /** Makes the frame. `isNew` is asked once for each record, and remembers it. */
  build(isNew: (high: number, low: number) => boolean): FrameContent;
  /** At least so many bytes. */
  readonly bytes: number;
  /** Whether to wait for room; otherwise it is dropped when there is none. */
  readonly wait: boolean;
  /** Whether it must survive a power cut once it is told to be kept, whatever `syncMs` says. */
  readonly sync?: boolean;
}

export interface SpoolStatus {
  readonly bytes: number;
  readonly bytesMax: number;
  /** What is below was acknowledged, and is no longer there. */
  readonly firstOrdinal: number;
  /** Of the next record. */
  readonly nextOrdinal: number;
  /** Records that are not acknowledged. */
  readonly depth: number;
}

/** What was accepted and is not in Kafka yet, on the disk. docs/spool.md describes the files. */
export interface Spool extends AsyncDisposable {
  /** Names the spool in the topic; never that of another. */
  readonly id: string;
  readonly dir: string;
  /** Nothing was in it when it was opened. */
  readonly isNew: boolean;
  partsOf(feed: string): ReadonlyMap<string, PartState>;
  hashOf(text: string): readonly [high: number, low: number];
  /** @returns how many records were kept; undefined when there was no room and the entry does not wait */
  append(entry: SpoolEntry, signal: AbortSignal): Promise<number | undefined>;
  /**
   * Batches from an ordinal on, as they come; ends when `finish` was called and all are read.
   *
   * @throws SpoolDamagedError
   */
  read(from: number, signal: AbortSignal): AsyncGenerator<SpooledBatch>;
  /** Nothing more will come. */
  finish(): void;
  /** What was acknowledged when it was written down last. */
  acknowledged(): Acknowledged | undefined;
  /** Writes down what is acknowledged and frees its segments. */
  acknowledge(acknowledged: Acknowledged): Promise<void>;
  status(): SpoolStatus;
}

const GROUP_BYTES_MAX = 8 * 1024 * 1024;
const WINDOW_POSTS = 500_000;

/**
 * Opens the spool in a folder, or begins one, and takes it over from whoever has it.
 *
 * @throws SpoolFormatError, SpoolDamagedError, SpoolWriteError
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { dir, bytesMax } = options;
  await mkdir(dir, { recursive: true }).catch((error: unknown) => {
    throw new SpoolWriteError(dir, error);
  });
  const owner = await takeOwnership(dir).catch((error: unknown) => {
    throw new SpoolWriteError(dir, error);
  });
  const id = await identityOf(dir);
  const recovered = await recover(dir, id, options.windowPosts ?? WINDOW_POSTS);
  if (recovered.tornBytes > 0) options.onTorn(recovered.tornBytes);
  const last = recovered.segments.at(-1);
  // What a killed process wrote may be in memory only, and is about to be published.
  if (last) await syncFile(last.path);
  const segmentBytes = options.segmentBytes ?? Math.min(64 * 1024 * 1024, bytesMax / 8);
  const log = new SegmentLog({ dir, spoolId: id, segmentBytes, owner }, recovered);
  return new DiskSpool(options, {
    id,
    owner,
    log,
    recovered,
    acknowledged: await readAcknowledged(dir),
  });
}

/** Twelve hex digits, made once. */
async function identityOf(dir: string): Promise<string> {
  const path = join(dir, "spool.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text !== undefined) {
    const id = /"id":"([0-9a-f]{12})"/.exec(text)?.[1];
    if (id !== undefined) return id;
    throw new SpoolDamagedError(
      `${path} does not name the spool: restore it, or move the folder away`,
    );
  }
  const id = randomBytes(6).toString("hex");
  await replaceFile(path, Buffer.from(`${JSON.stringify({ format: 1, id })}\n`));
  return id;
}

interface Opened {
  readonly id: string;
  readonly owner: Owner;
  readonly log: SegmentLog;
  readonly recovered: Recovered;
  readonly acknowledged: Acknowledged | undefined;
}

interface Waiting {
  readonly entry: SpoolEntry;
  readonly signal: AbortSignal;
  readonly settle: (kept: number | undefined) => void;
  readonly fail: (error: unknown) => void;
}

class DiskSpool implements Spool {
  readonly id: string;
  readonly dir: string;
  readonly isNew: boolean;
  readonly #options: SpoolOptions;
  readonly #log: SegmentLog;
  readonly #state: Recovered["state"];
  readonly #owner: Owner;
  readonly #clock: MonotonicClock;
  readonly #grown = new Notifier();
  /** How often that was told. */
  #growths = 0;
  readonly #freed = new Notifier();
  readonly #closing = new AbortController();
  readonly #seed: number;
  #queue: Waiting[] = [];
  #isDraining = false;
  /** One of write, sync and removal at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #acknowledged: Acknowledged | undefined;
  #isFinished = false;
  #isWaiting = false;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SpoolOptions, opened: Opened) {
    this.id = opened.id;
    this.dir = options.dir;
    this.isNew = opened.recovered.end.frame === 0 && opened.acknowledged === undefined;
    this.#options = options;
    this.#log = opened.log;
    this.#owner = opened.owner;
    this.#state = opened.recovered.state;
    this.#acknowledged = opened.acknowledged;
    this.#clock = options.clock ?? systemClock;
    this.#seed = Number.parseInt(opened.id.slice(0, 8), 16);
  }

  partsOf(feed: string): ReadonlyMap<string, PartState> {
    return this.#state.partsOf(feed);
  }

  hashOf(text: string): readonly [high: number, low: number] {
    return hashOf(text, this.#seed);
  }

  async append(entry: SpoolEntry, signal: AbortSignal): Promise<number | undefined> {
    signal.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
    if (!entry.wait && this.#isWaiting) return undefined;
    return await new Promise<number | undefined>((resolve, reject) => {
      const abandon = () => {
        this.#queue = this.#queue.filter((each) => each !== waiting);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        entry,
        signal,
        settle: (kept) => {
          signal.removeEventListener("abort", abandon);
          resolve(kept);
        },
        fail: (error) => {
          signal.removeEventListener("abort", abandon);
          reject(error);
        },
      };
      signal.addEventListener("abort", abandon, { once: true });
      this.#queue.push(waiting);
      if (!this.#isDraining) void this.#drain();
    });
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<SpooledBatch> {
    await using reader = new FrameReader(
      { segments: () => this.#log.segments, endFrame: () => this.#log.syncedFrame },
      from,
    );
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
      const looked = this.#growths;
      const batch = await reader.next();
      if (batch) yield batch;
      else if (this.#isExhausted()) return;
      // What grew while it was looked at is looked at again: nobody will tell of it once more.
      else if (looked === this.#growths) await this.#grown.wait(signal);
    }
  }

  #isExhausted(): boolean {
    const { end, syncedFrame } = this.#log;
    const isIdle = this.#queue.length === 0 && !this.#isDraining;
    return this.#isFinished && isIdle && syncedFrame === end.frame;
  }

  finish(): void {
    this.#isFinished = true;
    this.#tellGrown();
  }

  acknowledged(): Acknowledged | undefined {
    return this.#acknowledged;
  }

  async acknowledge(acknowledged: Acknowledged): Promise<void> {
    await this.#inTurn(async () => {
      this.#owner.check();
      await writeAcknowledged(this.#options.dir, acknowledged);
      this.#acknowledged = acknowledged;
      if (this.#isWaiting) await this.#freeAcknowledged();
      else if (await this.#log.trim(acknowledged.ordinal)) this.#freed.notify();
    });
  }

  status(): SpoolStatus {
    const { ordinal } = this.#log.end;
    return {
      bytes: this.#log.bytes,
      bytesMax: this.#options.bytesMax,
      firstOrdinal: this.#log.segments[0]?.firstOrdinal ?? ordinal,
      nextOrdinal: ordinal,
      depth: ordinal - (this.#acknowledged?.ordinal ?? 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException("the spool is closed", "AbortError"));
    clearTimeout(this.#timer);
    await this.#inTurn(() => this.#log.close());
  }

  /** What is written without being synced is synced after a while. */
  #syncLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#inTurn(() => this.#log.sync()).then(
        () => this.#tellGrown(),
        (error: unknown) => this.#fail(error),
      );
    }, this.#options.syncMs);
  }

  /** Writes what waits, many entries at once, until nothing does. */
  async #drain(): Promise<void> {
    this.#isDraining = true;
    try {
      while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
        if (!(await this.#hasRoom())) continue;
        await this.#inTurn(() => this.#writeGroup());
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isDraining = false;
      this.#tellGrown();
    }
  }

  /** @returns false after it has waited: somebody else may be first in the queue then */
  async #hasRoom(): Promise<boolean> {
    const [first] = this.#queue;
    if (!first) return false;
    const { bytesMax } = this.#options;
    const isFull = () => this.#log.bytes + first.entry.bytes > bytesMax;
    if (isFull()) await this.#inTurn(() => this.#freeAcknowledged());
    if (!isFull()) {
      this.#tellWait(undefined);
      return true;
    }
    this.#dropTheImpatient();
    this.#tellWait(`the spool is full (${this.#log.bytes} of ${bytesMax} bytes)`);
    // Nothing has been awaited since it was looked at: no notification is missed.
    if (this.#queue.length > 0) await this.#freed.wait(this.#closing.signal);
    return false;
  }

  /** Only in turn. The current segment goes, too, when all of it is acknowledged. */
  async #freeAcknowledged(): Promise<void> {
    const ordinal = this.#acknowledged?.ordinal ?? 0;
    if (ordinal >= this.#log.end.ordinal) await this.#log.roll();
    if (await this.#log.trim(ordinal)) this.#freed.notify();
  }

  async #writeGroup(): Promise<void> {
    const added: [number, number][] = [];
    let group: Waiting[] = [];
    try {
      await this.#log.prepare();
      group = this.#takeGroup();
      if (group.length === 0) return;
      const counts = await this.#write(group, added);
      this.#tellWait(undefined);
      group.forEach(({ settle }, index) => settle(counts[index] ?? 0));
      this.#tellGrown();
    } catch (error) {
      for (const [high, low] of added) this.#state.window.remove(high, low);
      this.#queue = [...group.filter(({ signal }) => !signal.aborted), ...this.#queue];
      if (retryOf(error) === "never") throw error;
      this.#dropTheImpatient();
      this.#tellWait(describeError(error));
      // A snapshot may need more room than there is: then somebody has to make some.
      await this.#freeAcknowledged().catch(() => undefined);
      await this.#clock.sleep(DISK_WAIT_MS, this.#closing.signal);
    }
  }

  /** @returns how many records each entry came to */
  async #write(group: readonly Waiting[], added: [number, number][]): Promise<number[]> {
    const { window } = this.#state;
    const isNew = (high: number, low: number): boolean => {
      if (window.has(high, low)) return false;
      window.add(high, low);
      added.push([high, low]);
      return true;
    };
    const contents = group.map(({ entry }) => entry.build(isNew));
    const frames = contents.map(({ meta, records }) => {
      return { meta, bytes: encodeFrame(meta, records) };
    });
    const mustSync = this.#options.syncMs === 0 || group.some(({ entry }) => entry.sync === true);
    await this.#log.write(frames, mustSync);
    if (!mustSync) this.#syncLater();
    return contents.map(({ records }) => records.length);
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    const room = this.#options.bytesMax - this.#log.bytes;
    for (const { entry } of this.#queue) {
      bytes += entry.bytes;
      if (count > 0 && bytes > Math.min(GROUP_BYTES_MAX, room)) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #dropTheImpatient(): void {
    const dropped = this.#queue.filter(({ entry }) => !entry.wait);
    this.#queue = this.#queue.filter(({ entry }) => entry.wait);
    for (const { settle } of dropped) settle(undefined);
  }

  #tellWait(reason: string | undefined): void {
    if (reason === undefined && !this.#isWaiting) return;
    this.#isWaiting = reason !== undefined;
    this.#options.onWait(reason);
  }

  #tellGrown(): void {
    this.#growths += 1;
    this.#grown.notify();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { fail } of this.#queue.splice(0)) fail(error);
    this.#tellGrown();
  }

  async #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => undefined);
    return await turn;
  }
}

const DISK_WAIT_MS = 500;

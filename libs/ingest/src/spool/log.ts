import { open, unlink, type FileHandle } from "node:fs/promises";
import { failpoint, invariant } from "@hybridge/core";
import { SpoolWriteError } from "../errors.ts";
import { listSpool, replaceFile, segmentPath, snapshotPath, syncFolder } from "./files.ts";
import {
  encodeSegmentHeader,
  FORMAT_VERSION,
  recordsIn,
  SEGMENT_HEADER_BYTES,
  stampFrame,
  type FrameMeta,
} from "./format.ts";
import type { Owner } from "./owner.ts";
import type { Recovered, Segment } from "./recover.ts";
import type { End, SpoolState } from "./state.ts";

export interface LogOptions {
  readonly dir: string;
  readonly spoolId: string;
  readonly segmentBytes: number;
  readonly owner: Owner;
}

export interface FrameToWrite {
  readonly bytes: Buffer;
  readonly meta: FrameMeta;
}

/** The segments of a spool: frames are written behind the last one, the oldest segments go. */
export class SegmentLog {
  readonly #options: LogOptions;
  readonly #state: SpoolState;
  readonly segments: Segment[];
  #file: FileHandle | undefined;
  #nextSegment: number;
  #snapshotFrame: number;
  end: End;
  /** Frames below survive a power cut. What is published is synced first: an ordinal never comes twice. */
  syncedFrame: number;

  constructor(options: LogOptions, recovered: Recovered) {
    this.#options = options;
    this.#state = recovered.state;
    this.segments = recovered.segments;
    this.end = recovered.end;
    this.syncedFrame = recovered.end.frame;
    this.#nextSegment = recovered.nextSegment;
    this.#snapshotFrame = recovered.snapshotFrame;
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Writes frames behind the end and makes them count. All or nothing: after an error the file is as
   * it was before. With `sync` they survive a power cut when this returns, otherwise after `sync()`.
   *
   * @throws SpoolWriteError, SpoolTakenError
   */
  async write(frames: readonly FrameToWrite[], sync: boolean): Promise<void> {
    const segment = this.segments.at(-1);
    const file = this.#file;
    invariant(segment && file, "a segment is prepared before frames are made for it");
    let { frame, ordinal } = this.end;
    let length = 0;
    for (const { bytes } of frames) {
      stampFrame(bytes, frame, ordinal);
      frame += 1;
      ordinal += recordsIn(bytes);
      length += bytes.length;
    }
    await attempt(segment.path, async () => {
      try {
        const pieces = frames.map(({ bytes }) => bytes);
        await writeAll(file, pieces, segment.bytes);
        failpoint("spool.frame-written");
        if (sync) await file.datasync();
      } catch (error) {
        await file.truncate(segment.bytes).catch(() => undefined);
        throw error;
      }
    });
    failpoint("spool.frame-synced");
    this.#options.owner.check();
    segment.bytes += length;
    segment.end = this.end = { frame, ordinal };
    if (sync) this.syncedFrame = frame;
    for (const { meta } of frames) this.#state.applyMeta(meta);
  }

  /** Forces to the disk what is written. */
  async sync(): Promise<void> {
    const { frame } = this.end;
    const file = this.#file;
    if (this.syncedFrame === frame || !file) return;
    await attempt(this.#options.dir, () => file.datasync());
    this.syncedFrame = frame;
  }

  /** Ends the current segment, so that it can go when it is acknowledged. The next write begins another. */
  async roll(): Promise<void> {
    await this.sync();
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Removes the segments whose records are all below the ordinal. @returns whether there were any */
  async trim(ordinal: number): Promise<boolean> {
    let removed = false;
    for (;;) {
      const [oldest] = this.segments;
      const isCurrent = this.segments.length === 1 && this.#file !== undefined;
      if (!oldest || isCurrent || oldest.end.ordinal > ordinal) return removed;
      if (oldest.end.frame > this.#snapshotFrame) await this.#snapshot();
      this.#options.owner.check();
      this.segments.shift();
      await unlink(oldest.path).catch(() => undefined);
      failpoint("spool.segment-removed");
      removed = true;
    }
  }

  async close(): Promise<void> {
    await this.roll();
  }

  /**
   * Makes sure that there is a segment to write to. Before a frame is made: a new segment begins with a
   * snapshot, and that must not know of records which are not kept yet.
   */
  async prepare(): Promise<void> {
    const last = this.segments.at(-1);
    if (this.#file && last && last.bytes < this.#options.segmentBytes) return;
    if (this.#file) await this.roll();
    await attempt(this.#options.dir, () => this.#create());
  }

  /** A snapshot stands before each segment, so that a start reads one segment at most. */
  async #create(): Promise<void> {
    const { dir, spoolId } = this.#options;
    this.#options.owner.check();
    await this.#snapshot();
    for (;;) {
      const number = this.#nextSegment;
      this.#nextSegment += 1;
      const path = segmentPath(dir, number);
      const header = {
        spoolId,
        segment: number,
        firstFrame: this.end.frame,
        firstOrdinal: this.end.ordinal,
      };
      const file = await open(path, "wx").catch((error: unknown) => {
        // An owner that has been replaced was quicker; its file does not count.
        if (codeOf(error) === "EEXIST") return undefined;
        throw error;
      });
      if (!file) continue;
      try {
        await writeAll(file, [encodeSegmentHeader(header)], 0);
        await file.datasync();
      } catch (error) {
        await file.close();
        await unlink(path).catch(() => undefined);
        throw error;
      }
      await syncFolder(dir);
      failpoint("spool.segment-created");
      const segment = {
        ...header,
        version: FORMAT_VERSION,
        path,
        bytes: SEGMENT_HEADER_BYTES,
        end: this.end,
      };
      this.#file = file;
      this.segments.push(segment);
      return;
    }
  }

  async #snapshot(): Promise<void> {
    const { dir } = this.#options;
    const { frame } = this.end;
    if (frame === this.#snapshotFrame) return;
    await replaceFile(snapshotPath(dir, frame), this.#state.encode(this.end));
    failpoint("spool.snapshot-written");
    this.#snapshotFrame = frame;
    const { snapshots } = await listSpool(dir);
    for (const older of snapshots.filter((each) => each < frame).slice(0, -1)) {
      await unlink(snapshotPath(dir, older)).catch(() => undefined);
    }
  }
}

async function writeAll(file: FileHandle, pieces: readonly Buffer[], position: number) {
  let at = position;
  let rest = [...pieces];
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest.slice(0, 512), at);
    at += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
}

/** What remains of some buffers when so many bytes of them are written. */
function withoutFirst(pieces: Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  let index = 0;
  for (; index < pieces.length; index++) {
    const { length } = pieces[index] ?? Buffer.alloc(0);
    if (left < length) break;
    left -= length;
  }
  const rest = pieces.slice(index);
  if (left > 0 && rest[0]) rest[0] = rest[0].subarray(left);
  return rest;
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw new SpoolWriteError(path, error);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && "errno" in error
    ? String(error.code)
    : undefined;
}

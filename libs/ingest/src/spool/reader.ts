import { open, type FileHandle } from "node:fs/promises";
import { SpoolDamagedError } from "../errors.ts";
import {
  decodeFrame,
  frameLength,
  recordsOf,
  SEGMENT_HEADER_BYTES,
  type SpooledRecord,
} from "./format.ts";
import type { Segment } from "./recover.ts";

/** Records of one frame, and how they are to be written. */
export interface SpooledBatch {
  readonly feed: string;
  readonly source: string;
  /** 0 for as many as the spool is told. */
  readonly partitions: number;
  readonly records: readonly SpooledRecord[];
}

export interface ReaderPort {
  /** The segments, the oldest first; the last one grows. */
  segments(): readonly Segment[];
  /** The first frame that is not to be read yet. */
  endFrame(): number;
}

const CHUNK_BYTES = 1024 * 1024;

/** Reads frames in their order, from the disk, up to the last one that counts. */
export class FrameReader implements AsyncDisposable {
  readonly #port: ReaderPort;
  readonly #from: number;
  #segment: Segment | undefined;
  #file: FileHandle | undefined;
  #chunk = Buffer.alloc(0);
  #at = 0;
  /** Of the file, where the chunk ends. */
  #position = 0;
  #frame = -1;

  /** @param from the first ordinal that is asked for */
  constructor(port: ReaderPort, from: number) {
    this.#port = port;
    this.#from = from;
  }

  /** The next records; undefined when there are none yet. @throws SpoolDamagedError */
  async next(): Promise<SpooledBatch | undefined> {
    for (;;) {
      if (!(await this.#find())) return undefined;
      const frame = await this.#read();
      this.#frame = frame.number + 1;
      this.#at += frame.bytes.length;
      const { firstOrdinal, count, meta } = frame;
      if (firstOrdinal + count <= this.#from || count === 0) continue;
      const records = recordsOf(frame);
      const { feed, source, partitions } = meta;
      const wanted =
        firstOrdinal >= this.#from
          ? records
          : records.filter(({ ordinal }) => ordinal >= this.#from);
      return { feed, source, partitions, records: wanted };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Makes sure that the segment of the next frame is open. @returns whether there is a next frame */
  async #find(): Promise<boolean> {
    const segments = this.#port.segments();
    const limit = this.#port.endFrame();
    if (this.#segment && this.#frame < Math.min(limit, this.#segment.end.frame)) return true;
    const next = segments.find(({ firstFrame, end }) =>
      this.#segment
        ? firstFrame >= this.#frame && end.frame > this.#frame
        : end.ordinal > this.#from,
    );
    if (!next || next.firstFrame >= limit || next === this.#segment) return false;
    await this[Symbol.asyncDispose]();
    this.#file = await open(next.path);
    this.#segment = next;
    this.#frame = next.firstFrame;
    this.#chunk = Buffer.alloc(0);
    this.#at = 0;
    this.#position = SEGMENT_HEADER_BYTES;
    return true;
  }

  async #read() {
    for (;;) {
      const frame = decodeFrame(this.#chunk, this.#at);
      if (typeof frame !== "string" && frame.number === this.#frame) return frame;
      if (frame !== "more" || !(await this.#fill())) throw this.#damaged();
    }
  }

  async #fill(): Promise<boolean> {
    const rest = this.#chunk.subarray(this.#at);
    const wanted = rest.length >= 4 ? frameLength(rest, 0) : 0;
    const left = (this.#segment?.bytes ?? 0) - this.#position;
    const length = Math.min(left, Math.max(CHUNK_BYTES, wanted) - rest.length);
    if (length <= 0 || !this.#file) return false;
    // Records that were handed out are views of the old chunk: each fill takes new memory.
    const chunk = Buffer.allocUnsafe(rest.length + length);
    rest.copy(chunk);
    const { bytesRead } = await this.#file.read(chunk, rest.length, length, this.#position);
    this.#position += bytesRead;
    this.#chunk = chunk.subarray(0, rest.length + bytesRead);
    this.#at = 0;
    return bytesRead > 0;
  }

  #damaged(): SpoolDamagedError {
    const at = this.#position - this.#chunk.length + this.#at;
    return new SpoolDamagedError(
      `${this.#segment?.path ?? ""} is damaged at byte ${at}, and what is there was kept: look at the disk; ` +
        "to go on without the rest of the file, move it away while ingest is stopped",
    );
  }
}

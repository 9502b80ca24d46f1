import { crc32c } from "@node-rs/crc32";
import type { Frame, FrameMeta, PartCounts } from "./format.ts";
import { eachHash } from "./format.ts";
import { Window } from "./window.ts";

/** What is known of one part of a feed. */
export interface PartState {
  readonly cursor: string;
  readonly counts: PartCounts;
}

export const noCounts: PartCounts = {
  posts: 0,
  deletions: 0,
  duplicates: 0,
  unreadable: 0,
  others: {},
};

/** Where the next frame and the next record go. */
export interface End {
  readonly frame: number;
  readonly ordinal: number;
}

/** What all frames up to some place say together: cursors, counts, and what was said lately. */
export class SpoolState {
  readonly window: Window;
  #parts = new Map<string, Map<string, PartState>>();

  constructor(windowPosts: number) {
    this.window = new Window(windowPosts);
  }

  partsOf(feed: string): ReadonlyMap<string, PartState> {
    return this.#parts.get(feed) ?? new Map<string, PartState>();
  }

  /** The hashes of the records are in the window already when the frame was made here. */
  applyMeta({ feed, part, cursor, counts }: FrameMeta): void {
    let parts = this.#parts.get(feed);
    if (!parts) this.#parts.set(feed, (parts = new Map<string, PartState>()));
    parts.set(part, { cursor, counts });
  }

  /** Takes what stands in a frame that is read again. */
  applyFrame(frame: Frame): void {
    this.applyMeta(frame.meta);
    eachHash(frame, (high, low) => this.window.add(high, low));
  }

  encode(end: End): Buffer {
    const feeds = [...this.#parts].map(([feed, parts]) => [feed, [...parts]]);
    const text = Buffer.from(JSON.stringify({ version: VERSION, end, feeds }));
    const head = Buffer.alloc(HEAD_BYTES);
    const hashes = this.window.dump();
    head.write(MAGIC, 0, "latin1");
    head.writeUInt32BE(text.length, 8);
    const body = Buffer.concat([text, hashes]);
    head.writeUInt32BE(crc32c(body), 12);
    return Buffer.concat([head, body]);
  }

  /** @returns the end that it was written at; undefined when the bytes are no whole snapshot */
  load(bytes: Buffer): End | undefined {
    if (bytes.length < HEAD_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) return undefined;
    const body = bytes.subarray(HEAD_BYTES);
    if (crc32c(body) !== bytes.readUInt32BE(12)) return undefined;
    const textLength = bytes.readUInt32BE(8);
    const { end, feeds } = JSON.parse(body.toString("utf8", 0, textLength)) as {
      end: End;
      feeds: [string, [string, PartState][]][];
    };
    this.#parts = new Map(feeds.map(([feed, parts]) => [feed, new Map(parts)]));
    this.window.load(body.subarray(textLength));
    return end;
  }
}

const VERSION = 1;
const MAGIC = "HYBSTATE";
const HEAD_BYTES = 16;

import { open, readFile, stat } from "node:fs/promises";
import { SpoolDamagedError } from "../errors.ts";
import { listSpool, segmentPath, snapshotPath } from "./files.ts";
import {
  decodeFrame,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type Frame,
  type SegmentHeader,
} from "./format.ts";
import { SpoolState, type End } from "./state.ts";

/** A segment as far as its frames count. */
export interface Segment extends SegmentHeader {
  readonly path: string;
  /** Of the file up to the last frame that counts. */
  bytes: number;
  /** The first frame and ordinal that are not in it. */
  end: End;
}

export interface Recovered {
  /** The oldest first. */
  readonly segments: Segment[];
  readonly state: SpoolState;
  readonly end: End;
  /** The number of the next segment. */
  readonly nextSegment: number;
  /** The frame that the newest snapshot was taken at; -1 when there is none. */
  readonly snapshotFrame: number;
  /** Bytes behind the last whole frame. */
  readonly tornBytes: number;
}

/**
 * Reads what a spool holds: the newest snapshot that is whole, then the frames behind it. A torn
 * tail of the newest segment is what was being written when a process or the machine stopped;
 * nobody was told that it was kept, so it does not count.
 *
 * @throws SpoolDamagedError when something is missing that was kept
 */
export async function recover(
  dir: string,
  spoolId: string,
  windowPosts: number,
): Promise<Recovered> {
  const listed = await listSpool(dir);
  const segments = await readHeaders(dir, spoolId, listed.segments);
  const { state, end: at } = await readSnapshot(dir, listed.snapshots, windowPosts);
  const [oldest] = segments;
  if (oldest && oldest.firstFrame > 0 && !at) {
    throw new SpoolDamagedError(
      `the spool in ${dir} has no whole snapshot (*.state), so the cursors of its feeds are lost: restore the files, or move the folder away and begin a new spool`,
    );
  }
  let end: End = at ?? { frame: 0, ordinal: 0 };
  let tornBytes = 0;
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1];
    if (next && next.firstFrame <= (at?.frame ?? 0)) {
      segment.end = { frame: next.firstFrame, ordinal: next.firstOrdinal };
      continue;
    }
    const found = await readFrames(segment, next?.firstFrame ?? Infinity, (frame) => {
      if (frame.number >= (at?.frame ?? 0)) state.applyFrame(frame);
    });
    const isFollowed = listed.segments.includes(segment.segment + 1);
    if (next && isFollowed && segment.end.frame < next.firstFrame) throw damagedAt(segment, next);
    if (!next) tornBytes = found - segment.bytes;
    if (segment.end.frame > end.frame) end = segment.end;
  }
  return {
    segments,
    state,
    end,
    nextSegment: (listed.segments.at(-1) ?? 0) + 1,
    snapshotFrame: at?.frame ?? -1,
    tornBytes,
  };
}

async function readHeaders(
  dir: string,
  spoolId: string,
  numbers: readonly number[],
): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const number of numbers) {
    const path = segmentPath(dir, number);
    const header = decodeSegmentHeader(await readHead(path), path);
    // Torn before anything was in it.
    if (!header) continue;
    if (header.spoolId !== spoolId) {
      throw new SpoolDamagedError(
        `${path} belongs to another spool (${header.spoolId}, and this is ${spoolId}): move it away`,
      );
    }
    // A newer owner has begun before these: what this one has does not count.
    while ((segments.at(-1)?.firstFrame ?? -1) > header.firstFrame) segments.pop();
    const end = { frame: header.firstFrame, ordinal: header.firstOrdinal };
    segments.push({ ...header, path, bytes: (await stat(path)).size, end });
  }
  return segments;
}

async function readHead(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(SEGMENT_HEADER_BYTES), 0);
  return buffer.subarray(0, bytesRead);
}

async function readSnapshot(dir: string, frames: readonly number[], windowPosts: number) {
  for (const frame of frames.toReversed()) {
    const state = new SpoolState(windowPosts);
    const end = state.load(await readFile(snapshotPath(dir, frame)));
    if (end) return { state, end };
  }
  return { state: new SpoolState(windowPosts), end: undefined };
}

/** Sets where the segment ends. @returns the size of the file */
async function readFrames(
  segment: Segment,
  limit: number,
  onFrame: (frame: Frame) => void,
): Promise<number> {
  const bytes = await readFile(segment.path);
  let at = SEGMENT_HEADER_BYTES;
  let { frame, ordinal }: End = segment.end;
  while (frame < limit) {
    const found = decodeFrame(bytes, at);
    if (typeof found === "string" || found.number !== frame || found.firstOrdinal !== ordinal) {
      break;
    }
    onFrame(found);
    at += found.bytes.length;
    frame += 1;
    ordinal += found.count;
  }
  segment.bytes = at;
  segment.end = { frame, ordinal };
  return bytes.length;
}

function damagedAt(segment: Segment, next: Segment): SpoolDamagedError {
  return new SpoolDamagedError(
    `${segment.path} is damaged at byte ${segment.bytes}: records ${segment.end.ordinal} to ${next.firstOrdinal - 1} cannot be read; ` +
      "look at the disk; to go on without them, move the file away",
  );
}

import { stat } from "node:fs/promises";
import { ConfigError, type Clock, type Emit } from "@hybridge/core";
import { fileBroken, fileSkipped } from "../../events.ts";
import type { Sink } from "../sink.ts";
import { replayFile } from "./file-part.ts";
import { filledLines, type Item } from "./items.ts";
import type { Pass } from "./part.ts";
import { filesIn } from "./paths.ts";
import { progressInSpool } from "./progress.ts";
import { openReplayFile, type ReplayFile } from "./replay-file.ts";
import { fileSegment } from "./segment.ts";
import { tailBytes } from "./tail.ts";

export interface FollowOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly partitions: () => number;
  readonly emit: Emit;
  readonly clock: Clock;
}

/** Between two looks for files that are new. */
const LOOK_MS = 500;

/**
 * Follows files, and all files of folders, until the signal is aborted: what is added to them, files that
 * take their names (rotation), and files that are new.
 */
export async function followAll(pass: Pass, options: FollowOptions): Promise<void> {
  const { clock } = options;
  const followed = new Set<string>();
  const inUse = new Set<string>();
  const failed = new AbortController();
  const own = { ...pass, signal: AbortSignal.any([pass.signal, failed.signal]) };
  const running: Promise<void>[] = [];
  for (;;) {
    own.signal.throwIfAborted();
    for (const path of await filesIn(options.paths)) {
      if (followed.has(path)) continue;
      followed.add(path);
      running.push(
        followOne(own, options, path, inUse).catch((error: unknown) => failed.abort(error)),
      );
    }
    await clock.sleep(LOOK_MS, own.signal);
  }
}

async function followOne(
  pass: Pass,
  options: FollowOptions,
  path: string,
  inUse: Set<string>,
): Promise<void> {
  const { clock, emit } = options;
  let seen = "";
  for (;;) {
    pass.signal.throwIfAborted();
    const now = await looksOf(path);
    if (now === undefined || now === seen) {
      await clock.sleep(LOOK_MS, pass.signal);
      continue;
    }
    seen = now;
    const file = await openIfAny(path, emit);
    if (file?.stream === undefined) continue;
    await readOne(pass, options, file, inUse);
    // A file that is tailed ends only when another has its name.
    if (isTailed(file)) seen = "";
  }
}

async function readOne(
  pass: Pass,
  options: FollowOptions,
  file: ReplayFile,
  inUse: Set<string>,
): Promise<void> {
  const sink: Sink = pass.sink;
  const segments = [fileSegment(file, file.stream ?? "")];
  const progress = await progressInSpool({ segments, oldStream: "" }, sink, pass.signal, inUse);
  const [found] = progress.streams;
  if (!found) return;
  const partitions = found.partitions > 0 ? found.partitions : options.partitions();
  inUse.add(found.name);
  sink.use(found.name);
  try {
    const onBroken = (...broken: Parameters<typeof fileBroken>) =>
      options.emit(fileBroken(...broken));
    const items = isTailed(file) ? tailed(file, options.clock, pass.signal) : undefined;
    await replayFile(pass, file, { ...found, partitions }, onBroken, items);
  } finally {
    inUse.delete(found.name);
  }
}

function isTailed({ layout }: ReplayFile): boolean {
  return layout.form === "lines" && layout.packing === "none";
}

function tailed({ layout }: ReplayFile, clock: Clock, signal: AbortSignal): AsyncGenerator<Item[]> {
  return filledLines(tailBytes(layout.path, layout.skip, clock, signal), layout.skip);
}

/** Tells whether a file has changed; undefined when it is not there or empty. */
async function looksOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size === 0) return undefined;
  return `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`;
}

/** One file of a folder that holds something else does not stop the others. */
async function openIfAny(path: string, emit: Emit): Promise<ReplayFile | undefined> {
  try {
    return await openReplayFile(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    emit(fileSkipped(path, error));
    return undefined;
  }
}

import { createHash } from "node:crypto";
import type { Emit, Clock } from "@hybridge/core";
import { fileBroken, otherStreamsFound, resumed } from "../../events.ts";
import type { Feed, FeedStatus } from "../feed.ts";
import { startPace } from "../pace.ts";
import type { Sink } from "../sink.ts";
import { replayFile } from "./file-part.ts";
import { generate } from "./generator-part.ts";
import type { Part, Pass } from "./part.ts";
import { progressInSpool, progressInTopic, type Lasts, type Progress } from "./progress.ts";
import { openReplayFile, type ReplayFile } from "./replay-file.ts";
import { fileSegment, generatorSegment } from "./segment.ts";

/** What to replay, and how fast. */
export interface ReplayOptions {
  readonly files: readonly string[];
  /** Records in all, those of the files first; 0 for no end. */
  readonly posts: number;
  /** Records per second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly seed: number;
  /** Time of the first generated post. */
  readonly epochMs: number;
  /** A larger post is a dead letter. */
  readonly postBytesMax: number;
  /** What the topic has of earlier ingests; asked for once in the life of a spool. */
  readonly lastsInTopic: (signal: AbortSignal) => Promise<Lasts>;
  /** Over how many partitions a stream that begins now is spread; 0 when it is not known. */
  readonly partitions: () => number;
  readonly emit: Emit;
  readonly clock: Clock;
}

/**
 * The posts of some files and then those of the generator. Each file is a stream of its own, known
 * by its content (docs/adr/0030-a-replay-is-known-by-its-content.md).
 *
 * @throws ConfigError when a file is not there or holds no posts
 */
export async function openReplay(options: ReplayOptions): Promise<Feed> {
  const files: ReplayFile[] = [];
  for (const path of options.files) files.push(await openReplayFile(path));
  let status: FeedStatus = { state: "IDLE", detail: "" };
  return {
    name: "replay",
    source: "replay",
    whenFull: "wait",
    status: () => status,
    async run(sink, signal) {
      status = { state: "CONNECTING", detail: "finding out how far it was read" };
      const parts = await openParts(options, files, sink as Sink, signal);
      status = { state: "STREAMING", detail: "" };
      await replayAll(options, parts, sink as Sink, signal);
      status = { state: "ENDED", detail: "" };
    },
  };
}

async function openParts(
  options: ReplayOptions,
  files: readonly ReplayFile[],
  sink: Sink,
  signal: AbortSignal,
): Promise<Part[]> {
  const named = files.flatMap((file) => {
    return file.stream === undefined ? [] : [{ file, segment: fileSegment(file, file.stream) }];
  });
  const generator = generatorSegment(options.seed);
  const segments = [...named.map(({ segment }) => segment), generator];
  const replay = { segments, oldStream: oldStreamName(options.seed, files) };
  const isKnown = sink.parts().length > 0;
  const progress = isKnown
    ? await progressInSpool(replay, sink, signal)
    : await progressInTopic(replay, await options.lastsInTopic(signal), signal);
  tell(
    options.emit,
    isKnown ? "the spool" : "the topic",
    segments.map(({ label }) => label),
    progress,
  );
  return progress.streams.map((stream, index) => {
    sink.use(stream.name);
    const partitions = stream.partitions > 0 ? stream.partitions : options.partitions();
    const file = named[index]?.file;
    return { stream: { ...stream, partitions }, ...(file ? { file } : {}) };
  });
}

function tell(emit: Emit, who: string, labels: readonly string[], progress: Progress): void {
  const source = labels.join(", ");
  emit(resumed(who, source, progress.newest));
  if (progress.others.length > 0) emit(otherStreamsFound(who, source, progress.others));
}

async function replayAll(
  options: ReplayOptions,
  parts: readonly Part[],
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const pass: Pass = {
    sink,
    signal,
    pace: startPace(options.rate, options.clock),
    left: options.posts === 0 ? Infinity : options.posts,
    postBytesMax: options.postBytesMax,
  };
  for (const { file, stream } of parts) {
    if (pass.left <= 0) return;
    if (!file) await generate(pass, stream, options);
    else await replayFile(pass, file, stream, (...broken) => options.emit(fileBroken(...broken)));
  }
}

/** Before streams were known by their content they were known by this. */
function oldStreamName(seed: number, files: readonly ReplayFile[]): string {
  const hash = createHash("sha256").update(String(seed));
  for (const { name, storedBytes } of files) hash.update(`\n${name} ${storedBytes}`);
  return `replay-${hash.digest("hex").slice(0, 12)}`;
}

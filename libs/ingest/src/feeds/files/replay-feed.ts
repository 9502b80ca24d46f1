import { createHash } from "node:crypto";
import type { Emit, Clock } from "@hybridge/core";
import { fileBroken, otherStreamsFound, resumed } from "../../events.ts";
import type { Feed, FeedStatus } from "../feed.ts";
import { startPace } from "../pace.ts";
import type { Sink } from "../sink.ts";
import { replayFile } from "./file-part.ts";
import { generate } from "./generator-part.ts";
import { followAll } from "./follow.ts";
import { replayInput } from "./input-part.ts";
import type { Part, Pass } from "./part.ts";
import { filesIn } from "./paths.ts";
import { progressInSpool, progressInTopic, type Lasts, type Progress } from "./progress.ts";
import { openReplayFile, type ReplayFile } from "./replay-file.ts";
import { fileSegment, generatorSegment } from "./segment.ts";

/** What to replay, and how fast. */
export interface ReplayOptions {
  /** Files, folders (all files in them), and "-" for the standard input. */
  readonly files: readonly string[];
  /** What comes next when the files are read. */
  readonly next: "generate" | "end" | "loop" | "follow";
  /** The standard input. */
  readonly stdin?: AsyncIterable<Buffer>;
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
  const paths = options.files.filter((path) => path !== STANDARD_INPUT);
  // Files that are followed may come later, and others may take their names.
  const named = options.next === "follow" ? [] : await filesIn(paths);
  const files = await Promise.all(named.map(openReplayFile));
  let status: FeedStatus = { state: "IDLE", detail: "" };
  return {
    name: "replay",
    source: "replay",
    whenFull: "wait",
    status: () => status,
    async run(given, signal) {
      const sink = given as Sink;
      const pass = beginPass(options, sink, signal);
      const tell = (state: FeedStatus["state"], detail = "") => (status = { state, detail });
      tell("CONNECTING", "finding out how far it was read");
      if (options.next === "follow") {
        tell("STREAMING", `following ${paths.join(", ")}`);
        await followAll(pass, { ...options, paths });
      }
      await replayRounds(options, files, pass, () => tell("STREAMING"));
      tell("ENDED");
    },
  };
}

const STANDARD_INPUT = "-";

function beginPass(options: ReplayOptions, sink: Sink, signal: AbortSignal): Pass {
  return {
    sink,
    signal,
    pace: startPace(options.rate, options.clock),
    left: options.posts === 0 ? Infinity : options.posts,
    postBytesMax: options.postBytesMax,
    round: 1,
  };
}

async function replayRounds(
  options: ReplayOptions,
  files: readonly ReplayFile[],
  pass: Pass,
  onBegin: () => void,
): Promise<void> {
  const isLoop = options.next === "loop" && files.length > 0;
  for (let round = isLoop ? newestRound(pass.sink) : 1; ; round++) {
    const parts = await openParts(options, files, pass.sink, round, pass.signal);
    onBegin();
    const own = { ...pass, round };
    for (const { file, stream } of parts) {
      if (own.left <= 0) return;
      if (!file) continue;
      await replayFile(own, file, stream, (...broken) => options.emit(fileBroken(...broken)));
    }
    pass.left = own.left;
    if (isLoop) continue;
    if (options.stdin && options.files.includes(STANDARD_INPUT)) {
      await replayInput(pass, options.stdin);
    }
    const generated = parts.find(({ file }) => !file);
    if (options.next === "generate" && generated && pass.left > 0) {
      await generate(pass, generated.stream, options);
    }
    return;
  }
}

/** Streams of the second round and later ones are named with it. */
function newestRound(sink: Sink): number {
  const rounds = sink.parts().map((name) => Number(/~(\d+)\.\d+$/.exec(name)?.[1] ?? "1"));
  return Math.max(1, ...rounds);
}

async function openParts(
  options: ReplayOptions,
  files: readonly ReplayFile[],
  sink: Sink,
  round: number,
  signal: AbortSignal,
): Promise<Part[]> {
  const named = files.flatMap((file) => {
    if (file.stream === undefined) return [];
    const stream = round === 1 ? file.stream : `${file.stream}~${round}`;
    return [{ file, segment: fileSegment(file, stream) }];
  });
  const generator = generatorSegment(options.seed);
  const segments = [...named.map(({ segment }) => segment), generator];
  const replay = { segments, oldStream: oldStreamName(options.seed, files) };
  const isKnown = sink.parts().some((part) => part !== "stdin");
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

/** Before streams were known by their content they were known by this. */
function oldStreamName(seed: number, files: readonly ReplayFile[]): string {
  const hash = createHash("sha256").update(String(seed));
  for (const { name, storedBytes } of files) hash.update(`\n${name} ${storedBytes}`);
  return `replay-${hash.digest("hex").slice(0, 12)}`;
}

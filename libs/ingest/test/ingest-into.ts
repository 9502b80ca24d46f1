import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openDeadLetters } from "../src/dead-letters.ts";
import { openReplay, type ReplayOptions } from "../src/feeds/files/replay-feed.ts";
import { openIngest } from "../src/ingest.ts";
import { waitForTopic } from "../src/publisher/topic-seen.ts";
import { openSpool } from "../src/spool/spool.ts";
import { openStatusBoard } from "../src/status.ts";
import type { FakeLog } from "./fake-log.ts";

export const PARTITIONS = 4;
export const epochMs = Date.UTC(2026, 0, 1);

/** A folder that goes with the test. */
export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-ingest-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

const spoolDirs = new WeakMap<FakeLog, string>();

/** The folder of the spool that writes into a log; `renew` begins another. */
export function spoolDir(log: FakeLog, dir: string, renew: boolean): string {
  const known = spoolDirs.get(log);
  if (known !== undefined && !renew) return known;
  const made = mkdtempSync(join(dir, "spool-"));
  spoolDirs.set(log, made);
  return made;
}

/** Lets the next run write into the log from another spool. */
export function useSpool(log: FakeLog, dir: string): void {
  spoolDirs.set(log, dir);
}

/** One run of an ingest into a log in memory, with everything else real; it ends with the first failure. */
export async function ingest(
  log: FakeLog,
  dir: string,
  replay: Partial<ReplayOptions> & { posts: number },
  options: { readonly batchBytesMax?: number; readonly newSpool?: boolean } = {},
) {
  const events = collectEvents();
  const status = openStatusBoard(events.emit);
  await using deadLetters = await openDeadLetters({
    dir,
    onWritten: ({ counts }) => counts.forEach((count) => status.addDeadLetters(count)),
    onWait: () => undefined,
  });
  await using spool = await openSpool({
    dir: spoolDir(log, dir, options.newSpool === true),
    bytesMax: 64 * 1024 * 1024,
    syncMs: 0,
    onWait: () => undefined,
    onTorn: () => undefined,
  });
  const topicSeen = waitForTopic();
  const postBytesMax = replay.postBytesMax ?? 1_000_000;
  const feed = await openReplay({
    files: [],
    next: "generate",
    rate: 0,
    seed: 5,
    epochMs,
    postBytesMax,
    lastsInTopic: (signal) => topicSeen.lasts(signal),
    partitions: () => spool.acknowledged()?.partitions ?? 0,
    emit: events.emit,
    clock: systemClock,
    ...replay,
  });
  const stop = new AbortController();
  const wired = openIngest({
    feeds: [feed],
    topicSeen,
    postBytesMax,
    kafka: log.port,
    cluster: { bootstrap: "127.0.0.1:1", clientId: "test" },
    topic: "t",
    partitions: PARTITIONS,
    compression: "none",
    spool,
    deadLetters,
    status,
    emit: (event) => {
      events.emit(event);
      if (event.name === "ingest.session_failed") stop.abort(event.error);
    },
    publishing: {
      lingerMs: 0,
      batchBytesMax: options.batchBytesMax ?? 20_000,
      bytesMax: 200_000,
      startTrace: () => ({ traceparent: "00-0-0-00", end: () => undefined }),
    },
  });
  const broken = () =>
    events.events.flatMap(({ name, fields }) =>
      name === "replay.file_broken" ? [String(fields?.["file"])] : [],
    );
  return await wired.run(stop.signal).then(
    () => ({ status: status.read(), events, broken: broken(), error: undefined }),
    (error: unknown) => ({ status: status.read(), events, broken: broken(), error }),
  );
}

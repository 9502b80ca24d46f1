import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "@hybridge/core";
import { collectEvents } from "@hybridge/core/testing";
import { openDeadLetters } from "../src/dead-letters.ts";
import { openReplay, type ReplayOptions } from "../src/feeds/files/replay-source.ts";
import { runSession } from "../src/publisher/session.ts";
import { openStatusBoard } from "../src/status.ts";
import { Tally } from "../src/tally.ts";
import type { FakeLog } from "./fake-log.ts";

export const PARTITIONS = 4;
export const epochMs = Date.UTC(2026, 0, 1);

/** A folder that goes with the test. */
export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-ingest-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** One session of an ingest into a log in memory, with everything else real. */
export async function ingest(
  log: FakeLog,
  dir: string,
  replay: Partial<ReplayOptions> & { posts: number },
  batchBytesMax = 20_000,
) {
  const events = collectEvents();
  const broken: string[] = [];
  const tally = new Tally();
  const status = openStatusBoard(events.emit, tally);
  await using deadLetters = await openDeadLetters({
    dir,
    onWritten: ({ counts }) => counts.forEach((count) => status.addDeadLetters(count)),
    onWait: () => undefined,
  });
  const source = await openReplay({
    files: [],
    rate: 0,
    seed: 5,
    epochMs,
    postBytesMax: 1_000_000,
    deadLetters,
    tally,
    onBrokenFile: (file) => void broken.push(file),
    clock: systemClock,
    ...replay,
  });
  const session = runSession(
    {
      kafka: log.port,
      cluster: { bootstrap: "127.0.0.1:1", clientId: "test" },
      topic: "t",
      partitions: PARTITIONS,
      compression: "none",
      source,
      deadLetters,
      status,
      emit: events.emit,
      publishing: {
        lingerMs: 0,
        batchBytesMax,
        bytesMax: 200_000,
        startTrace: () => ({ traceparent: "00-0-0-00", end: () => undefined }),
      },
    },
    new AbortController().signal,
  );
  return await session.then(
    () => ({ status: status.read(), events, broken, error: undefined }),
    (error: unknown) => ({ status: status.read(), events, broken, error }),
  );
}

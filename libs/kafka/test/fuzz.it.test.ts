import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { FuzzCount } from "./fuzz/run.ts";

// KAFKA_FUZZ_FRAMES and KAFKA_FUZZ_SEED are for longer runs and other damage than that of every day.
const FRAMES = Number(process.env["KAFKA_FUZZ_FRAMES"] ?? 1_000_000);
const SEED = Number(process.env["KAFKA_FUZZ_SEED"] ?? 20_261_123);
const LOOK_EVERY_MS = 1_000;
const STUCK_MS = 30_000;

test(`${FRAMES} damaged frames: typed errors, no record that nobody wrote, no hang`, async (t) => {
  const begin = performance.now();
  const count = await watched(FRAMES, SEED);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  t.diagnostic(
    `${count.frames} damaged frames in ${seconds} s (seed ${SEED}): ${count.refused} refused, ${count.read} read, ${count.compared} records and frames compared`,
  );
  assert.equal(count.refused + count.read, FRAMES);
  // Damage that is always refused would prove nothing about what is read.
  assert.ok(count.refused > FRAMES / 4 && count.read > FRAMES / 10 && count.compared > FRAMES / 10);
});

/** Runs in a thread; a frame that is still being read after a long time is named. */
async function watched(frames: number, seed: number): Promise<FuzzCount> {
  const progress = new SharedArrayBuffer(4);
  const at = new Int32Array(progress);
  const worker = new Worker(new URL("./fuzz/worker.ts", import.meta.url), {
    workerData: { frames, seed, progress },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<FuzzCount>((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the thread ended with ${code}`)));
      let last = { frame: -1, sinceMs: performance.now() };
      timer = setInterval(() => {
        const frame = at[0] ?? 0;
        if (frame !== last.frame) last = { frame, sinceMs: performance.now() };
        else if (performance.now() - last.sinceMs > STUCK_MS) {
          reject(new Error(`seed ${seed}, frame ${frame}: it is read for ${STUCK_MS} ms`));
        }
      }, LOOK_EVERY_MS);
    });
  } finally {
    clearInterval(timer);
    // Not awaited: a thread that hangs in native code never ends.
    void worker.terminate();
    worker.unref();
  }
}

// A thread that fuzzes, so that whoever started it can see which frame hangs.
import { parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./run.ts";

const { frames, seed, progress } = workerData as {
  frames: number;
  seed: number;
  progress: SharedArrayBuffer;
};
// Nobody reads the stack of an error that is expected, and taking it is half of the time.
Error.stackTraceLimit = 0;
const at = new Int32Array(progress);
parentPort?.postMessage(fuzz({ frames, seed, onFrame: (frame) => (at[0] = frame) }));

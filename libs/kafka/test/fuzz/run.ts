import { HybridgeError } from "@hybridge/core";
import { seededRandom } from "../../src/testing/workload.ts";
import { attacks, type AttackName } from "./attacks.ts";
import { Damager } from "./damage.ts";

export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
  /** Only this kind; without it all, by their shares. */
  readonly only?: AttackName;
  /** Called before each frame: who watches can name the one that hangs. */
  readonly onFrame?: (frame: number) => void;
}

export interface FuzzCount {
  frames: number;
  /** Refused with a typed error. */
  refused: number;
  /** Read, although damaged. */
  read: number;
  /** Records and frames that came out and were compared with what went in. */
  compared: number;
  slowestMs: number;
}

/** A thousand times what a frame of the corpus takes. */
const DECODE_MS_MAX = 1_000;

/**
 * Damages frames and reads them.
 *
 * @throws Error naming the frame: for an error without a type, a record that nobody wrote, or a
 *   decode that takes too long
 */
export function fuzz(options: FuzzOptions): FuzzCount {
  const { frames, seed, only, onFrame } = options;
  const kinds = attacks(seededRandom(1));
  const total: FuzzCount = { frames, refused: 0, read: 0, compared: 0, slowestMs: 0 };
  const chosen = kinds.filter(({ name }) => only === undefined || name === only);
  const order = chosen.flatMap((kind) => Array.from({ length: kind.share }, () => kind));
  for (let frame = 0; frame < frames; frame++) {
    onFrame?.(frame);
    const kind = order[frame % order.length];
    if (!kind) throw new RangeError("there is nothing to damage");
    // A seed for each frame: any one of them can be tried again by itself.
    const once = () => {
      const damager = new Damager(seededRandom(seed + Math.imul(frame, 0x9e3779b1)));
      return judge(() => kind.run(damager));
    };
    let { outcome, compared, ms } = once();
    if (ms > DECODE_MS_MAX) {
      // The machine may have been busy elsewhere: again, by the clock of this thread's CPU.
      const before = process.threadCpuUsage();
      ({ outcome, compared } = once());
      const spent = process.threadCpuUsage(before);
      ms = (spent.user + spent.system) / 1000;
      if (ms > DECODE_MS_MAX) outcome = new Error(`the decode takes ${Math.round(ms)} ms of CPU`);
    }
    if (outcome instanceof Error) {
      const where = `${kind.name}, seed ${seed}, frame ${frame}`;
      throw new Error(`${where}: ${outcome.message}`, { cause: outcome });
    }
    total[outcome] += 1;
    total.compared += compared;
    total.slowestMs = Math.max(total.slowestMs, ms);
  }
  return total;
}

interface Judged {
  readonly outcome: "refused" | "read" | Error;
  readonly compared: number;
  readonly ms: number;
}

function judge(body: () => number): Judged {
  const begin = performance.now();
  let outcome: Judged["outcome"] = "read";
  let compared = 0;
  try {
    compared = body();
  } catch (error) {
    if (error instanceof HybridgeError) outcome = "refused";
    else outcome = error instanceof Error ? error : new Error(String(error));
  }
  return { outcome, compared, ms: performance.now() - begin };
}

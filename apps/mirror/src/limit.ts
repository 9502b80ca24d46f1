/** Runs a body when its turn has come. Whoever's signal is aborted while it waits leaves the line. */
export type Turn = <T>(body: () => Promise<T>, signal: AbortSignal) => Promise<T>;

/** Runs at most `most` bodies at a time, in the order of the calls. */
export function limitConcurrency(most: number): Turn {
  let running = 0;
  const waiting: (() => void)[] = [];
  const wait = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(signal.reason as Error);
      };
      waiting.push(go);
      signal.addEventListener("abort", leave, { once: true });
    });
  return async (body, signal) => {
    signal.throwIfAborted();
    if (running >= most) await wait(signal);
    else running += 1;
    try {
      return await body();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

import { describeError, isAbort, systemClock } from "@hybridge/core";
import type { Component } from "./component.ts";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** A component that ran this long starts again without waiting. */
const SOUND_MS = 60_000;

/**
 * Starts a component again whenever it ends, on its ports and data, until the signal is aborted.
 * Waits longer after each end that comes soon, 10 s at most.
 */
export async function supervise(
  component: Component<unknown>,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { name } = component;
  let waitMs = FIRST_WAIT_MS;
  let since = Date.now();
  while (!signal.aborted) {
    const exit = await untilExit(component, signal);
    if (exit === undefined) return;
    const how = exit.signal ?? `exit code ${exit.code}`;
    waitMs = Date.now() - since > SOUND_MS ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS);
    say(`${name} has ended (${how}; log ${component.logFile}), starts again in ${waitMs} ms`);
    try {
      await systemClock.sleep(waitMs, signal);
      await component.restart(signal);
      say(`${name} is healthy again at ${show(component.addresses)}`);
    } catch (error) {
      if (isAbort(error, signal)) return;
      say(`${name} did not start again: ${describeError(error)}`);
    }
    since = Date.now();
  }
}

async function untilExit(component: Component<unknown>, signal: AbortSignal) {
  return new Promise<Awaited<Component<unknown>["exited"]> | undefined>((resolve) => {
    const onAbort = () => {
      resolve(undefined);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    void component.exited.then((exit) => {
      signal.removeEventListener("abort", onAbort);
      resolve(exit);
    });
  });
}

function show(addresses: unknown): string {
  return Object.values(addresses as Record<string, string>).join(", ");
}

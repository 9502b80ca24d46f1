import { describeError, retry, type Clock, type Emit, type Retry } from "@hybridge/core";

/**
 * What is wrong at the moment, by place ("store", "catalog", "hybrid/3"). A place that changes
 * between well and ill emits one event, however often and by how many it is tried in between.
 */
export interface Health {
  /** Empty when all is well. */
  reason(): string;
  /** Runs an attempt until it succeeds or trying again is no use; the place is ill meanwhile. */
  persist<T>(
    place: string,
    attempt: (succeeded: () => void) => Promise<T>,
    signal: AbortSignal,
    options?: PersistOptions,
  ): Promise<T>;
  /** Something that stays wrong until the process is started anew. */
  stopped(place: string, reason: string): void;
}

export interface PersistOptions {
  readonly classify?: (error: unknown) => Retry;
  readonly maxMs?: number;
}

export function createHealth(emit: Emit, clock: Clock): Health {
  const ill = new Map<object, { readonly place: string; readonly reason: string }>();
  const isIll = (place: string) => [...ill.values()].some((trouble) => trouble.place === place);

  function fell(token: object, place: string, error: unknown): void {
    const reason = describeError(error);
    const wasIll = isIll(place);
    ill.set(token, { place, reason });
    if (wasIll) return;
    const message = `${place} fails and is tried again: ${reason}`;
    emit({ name: "landing.degraded", level: "warn", message, fields: { place }, error });
  }

  function rose(token: object, place: string): void {
    if (!ill.delete(token) || isIll(place)) return;
    const message = `${place} works again`;
    emit({ name: "landing.recovered", level: "info", message, fields: { place } });
  }

  return {
    reason() {
      const texts = [...ill.values()].map(({ place, reason }) => `${place}: ${reason}`);
      return [...new Set(texts)].join("; ");
    },
    stopped: (place, reason) => void ill.set({}, { place, reason }),
    async persist(place, attempt, signal, more = {}) {
      const token = {};
      const succeeded = () => rose(token, place);
      const onRetry = (error: unknown) => fell(token, place, error);
      try {
        const options = { signal, clock, baseMs: 200, maxMs: 5_000, ...more, onRetry };
        const result = await retry(() => attempt(succeeded), options);
        succeeded();
        return result;
      } catch (error) {
        ill.delete(token);
        throw error;
      }
    },
  };
}

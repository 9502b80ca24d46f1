import { describeError, retryOf, systemClock, type Clock, type Emit } from "@hybridge/core";
import type { Engine } from "@hybridge/query";
import type { EngineWatch, QueryEngine } from "./engine.ts";

export interface EngineState {
  readonly engine: Engine;
  /** As the gateway last saw it. One that is billed by use counts as reachable until it is asked. */
  readonly reachable: boolean;
  /** Why it is not, or that nobody asked yet; else empty. */
  readonly reason: string;
}

/** What the gateway knows about its engines, from queries and from looking now and then. */
export interface EngineHealth extends EngineWatch {
  states(): readonly EngineState[];
  counts(): { readonly queries: number; readonly failed: number };
  /**
   * Looks at engines that nobody has used for a while, until the signal is aborted. Those that are
   * billed by use are left alone: a look every 15 s would keep a serverless workgroup billed all day.
   */
  watch(signal: AbortSignal): Promise<void>;
}

/** Before the first look, and before the first query of an engine that is not looked at. */
const UNKNOWN = "not looked at yet";
const UNASKED = "not asked yet";

const LOOK_MS = 15_000;
const LOOK_AGAIN_MS = 2_000;
const LOOK_TIMEOUT_MS = 20_000;

export function engineHealth(
  engines: readonly QueryEngine[],
  emit: Emit,
  clock: Clock = systemClock,
): EngineHealth {
  const states = new Map<Engine, EngineState>();
  for (const { engine, billedByUse } of engines) {
    states.set(engine, { engine, reachable: billedByUse, reason: billedByUse ? UNASKED : UNKNOWN });
  }
  const usedAt = new Map<Engine, number>();
  let queries = 0;
  let failed = 0;

  const note = (engine: Engine, reachable: boolean, reason: string) => {
    usedAt.set(engine, clock.now());
    const before = states.get(engine);
    states.set(engine, { engine, reachable, reason });
    // Nobody expects news of an engine that answers when it is first looked at.
    const news = before?.reason === UNKNOWN ? !reachable : before?.reachable !== reachable;
    if (news) emit(changed(engine, reachable, reason));
  };
  // An engine that refuses a statement is there; one that is away says so by an error worth retrying.
  const noteError = (engine: Engine, error: unknown) => {
    const reachable = retryOf(error) === "never";
    note(engine, reachable, reachable ? "" : describeError(error));
  };

  const look = async (target: QueryEngine, signal: AbortSignal) => {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
      const options = { signal: limit, timeoutMs: LOOK_TIMEOUT_MS, onStarted: () => undefined };
      const { batches } = await target.execute({ sql: "SELECT 1", parameters: [] }, options);
      const rows = batches[Symbol.asyncIterator]();
      while ((await rows.next()).done !== true) continue;
      note(target.engine, true, "");
    } catch (error) {
      if (signal.aborted) return;
      note(target.engine, false, describeError(error));
    }
  };

  const watchOne = async (target: QueryEngine, signal: AbortSignal) => {
    while (!signal.aborted) {
      const idleMs = clock.now() - (usedAt.get(target.engine) ?? 0);
      const everyMs = states.get(target.engine)?.reachable ? LOOK_MS : LOOK_AGAIN_MS;
      if (idleMs >= everyMs) await look(target, signal);
      await clock.sleep(LOOK_AGAIN_MS, signal).catch(() => undefined);
    }
  };

  return {
    states: () => [...states.values()],
    counts: () => ({ queries, failed }),
    succeeded(engine) {
      queries += 1;
      note(engine, true, "");
    },
    failed(engine, error) {
      queries += 1;
      failed += 1;
      noteError(engine, error);
    },
    async watch(signal) {
      const watched = engines.filter(({ billedByUse }) => !billedByUse);
      await Promise.all(watched.map((target) => watchOne(target, signal)));
    },
  };
}

function changed(engine: Engine, reachable: boolean, reason: string) {
  return {
    name: reachable ? "engine.reachable" : "engine.unreachable",
    level: reachable ? "info" : "warn",
    message: reachable ? `${engine} answers again` : `${engine} does not answer: ${reason}`,
    fields: { engine, reason },
  } as const;
}

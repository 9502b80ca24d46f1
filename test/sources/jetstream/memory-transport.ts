import {
  HandleError,
  JetstreamConnectionError,
  JetstreamRefusedError,
  type JetstreamConnection,
  type JetstreamTransport,
} from "@hybridge/ingest/bluesky";
import type { JetstreamInstance, Subscription } from "./instance.ts";

/** A network between the feed and simulated instances, by their addresses. */
export class MemoryJetstream {
  isDown = false;
  /** When somebody tried to connect. */
  readonly attemptsMs: number[] = [];
  readonly #instances: ReadonlyMap<string, JetstreamInstance>;
  readonly #now: () => number;

  constructor(instances: ReadonlyMap<string, JetstreamInstance>, now: () => number) {
    this.#instances = instances;
    this.#now = now;
  }

  readonly transport: JetstreamTransport = {
    connect: async (url, signal) => {
      await Promise.resolve();
      this.attemptsMs.push(this.#now());
      const { origin, searchParams } = new URL(url);
      const instance = this.#instances.get(origin);
      if (this.isDown || !instance) throw new JetstreamConnectionError("the network is down");
      const answer = instance.subscribe(searchParams);
      if (!("status" in answer)) return connectionOf(answer, signal);
      const { error: reason, message: detail } = answer.body;
      throw new JetstreamRefusedError(`answered ${answer.status}`, { reason, detail });
    },
    resolveHandle: (handle) => {
      return Promise.reject(new HandleError(`nobody is ${handle}`, "never"));
    },
  };
}

function connectionOf(subscription: Subscription, signal: AbortSignal): JetstreamConnection {
  const close = () => subscription.end("left", 0);
  signal.addEventListener("abort", close, { once: true });
  return { frames: framesOf(subscription, signal), close };
}

async function* framesOf(
  subscription: Subscription,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[]> {
  for (;;) {
    const next = await subscription.next();
    signal.throwIfAborted();
    if (typeof next === "string") throw new JetstreamConnectionError(`it ended: ${next}`);
    yield next;
  }
}

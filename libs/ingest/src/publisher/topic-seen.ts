import { readLasts } from "./lasts.ts";
import type { Ranges, TopicReading } from "./read-headers.ts";
import type { Sequence } from "./sequence.ts";

/** Lets a feed ask what the topic has, as soon as somebody has reached it. */
export interface TopicSeen {
  offer(reading: TopicReading, ranges: Ranges): void;
  /** The last place of each stream in each partition. Waits for the topic. */
  lasts(signal: AbortSignal): Promise<ReadonlyMap<number, ReadonlyMap<string, Sequence>>>;
}

export function waitForTopic(): TopicSeen {
  const seen = Promise.withResolvers<{ reading: TopicReading; ranges: Ranges }>();
  return {
    offer: (reading, ranges) => seen.resolve({ reading, ranges }),
    async lasts(signal) {
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        const { reading, ranges } = await Promise.race([seen.promise, aborted.promise]);
        return await readLasts({ ...reading, signal }, ranges);
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
  };
}

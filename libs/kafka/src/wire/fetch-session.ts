import type { FetchPartition, FetchRequest } from "./fetch.ts";

type Forgotten = Pick<FetchPartition, "topicId" | "partition">;

/**
 * An incremental fetch session (KIP-227) with one broker: after the first request only what
 * changed is sent, and only what has news comes back. With a thousand idle partitions this is the
 * difference between tens of kilobytes and a few bytes per poll.
 */
export class FetchSession {
  #id = 0;
  #epoch = 0;
  #rotation = 0;
  readonly #sent = new Map<string, FetchPartition>();

  /** What the next request has to say so that the broker reads exactly `wanted`. */
  next(
    wanted: readonly FetchPartition[],
  ): Pick<FetchRequest, "sessionId" | "sessionEpoch" | "partitions" | "forgotten"> {
    if (this.#id === 0) return this.#whole(wanted);
    const changed: FetchPartition[] = [];
    const keep = new Set<string>();
    for (const entry of wanted) {
      const key = `${entry.topicId}/${entry.partition}`;
      keep.add(key);
      const sent = this.#sent.get(key);
      if (sent?.offset === entry.offset && sent.lastEpoch === entry.lastEpoch) continue;
      changed.push(entry);
      this.#sent.set(key, entry);
    }
    const forgotten: Forgotten[] = [];
    for (const [key, entry] of this.#sent) {
      if (keep.has(key)) continue;
      forgotten.push(entry);
      this.#sent.delete(key);
    }
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      partitions: changed,
      forgotten,
    };
  }

  /** Takes the session id of a successful answer; 0 means that the broker keeps no session. */
  answered(sessionId: number): void {
    this.#id = sessionId;
    if (sessionId === 0) this.reset();
    else this.#epoch = this.#epoch === 0x7fffffff ? 1 : this.#epoch + 1;
  }

  /** The next request starts a session anew. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#sent.clear();
  }

  #whole(wanted: readonly FetchPartition[]) {
    this.#sent.clear();
    this.#epoch = 0;
    // The broker fills an answer in the order asked: begin elsewhere each time, so that no
    // partition starves behind busy ones.
    this.#rotation = wanted.length === 0 ? 0 : (this.#rotation + 1) % wanted.length;
    const partitions = [...wanted.slice(this.#rotation), ...wanted.slice(0, this.#rotation)];
    for (const entry of partitions) this.#sent.set(`${entry.topicId}/${entry.partition}`, entry);
    return { sessionId: 0, sessionEpoch: 0, partitions, forgotten: [] };
  }
}

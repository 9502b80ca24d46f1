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

  /** False: the next request has to name all partitions. */
  get isOpen(): boolean {
    return this.#id !== 0;
  }

  /** In an open session: the request that changes these and forgets those. */
  next(
    changed: readonly FetchPartition[],
    forgotten: readonly Forgotten[],
  ): Pick<FetchRequest, "sessionId" | "sessionEpoch" | "partitions" | "forgotten"> {
    const [sessionId, sessionEpoch] = [this.#id, this.#epoch];
    return { sessionId, sessionEpoch, partitions: changed, forgotten };
  }

  /** Without one: the request that names all, and asks for a session. */
  whole(all: readonly FetchPartition[]) {
    // The broker fills an answer in the order asked: begin elsewhere each time, so that no
    // partition starves behind busy ones.
    this.#rotation = all.length === 0 ? 0 : (this.#rotation + 1) % all.length;
    const partitions = [...all.slice(this.#rotation), ...all.slice(0, this.#rotation)];
    return { sessionId: 0, sessionEpoch: 0, partitions, forgotten: [] };
  }

  /** Takes the session id of a successful answer; 0 means that the broker keeps no session. */
  answered(sessionId: number): void {
    if (sessionId === 0) this.reset();
    else {
      this.#id = sessionId;
      this.#epoch = this.#epoch === 0x7fffffff ? 1 : this.#epoch + 1;
    }
  }

  /** The next request starts a session anew. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
  }
}

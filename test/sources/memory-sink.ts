import type { Appended, FeedBatch, FeedSink } from "@hybridge/ingest";
import { readPosts } from "@hybridge/tweet";

/** A record as it would stand in the topic. */
export interface KeptRecord {
  readonly id: string;
  readonly op: "upsert" | "delete";
  readonly version: string;
  readonly bytes: Buffer;
}

/**
 * A sink that keeps everything in memory, and removes what was said twice as the real one does. It
 * outlives the feeds that append to it, as a spool outlives processes.
 */
export class MemorySink implements FeedSink {
  readonly records: KeptRecord[] = [];
  readonly unreadable: string[] = [];
  batches = 0;
  /** How often something came again. */
  duplicates = 0;
  readonly #known = new Set<string>();
  readonly #cursors = new Map<string, string>();
  readonly #pause: () => Promise<void>;

  /** @param pause how long an append takes, after everything was kept */
  constructor(pause: () => Promise<void> = () => Promise.resolve()) {
    this.#pause = pause;
  }

  cursor(part = ""): string | undefined {
    return this.#cursors.get(part);
  }

  parts(): readonly string[] {
    return [...this.#cursors.keys()];
  }

  async append({ items, cursor, part = "" }: FeedBatch, signal: AbortSignal): Promise<Appended> {
    signal.throwIfAborted();
    const before = this.records.length;
    for (const { bytes } of items) this.#keep(Buffer.from(bytes));
    this.#cursors.set(part, cursor);
    this.batches += 1;
    await this.#pause();
    signal.throwIfAborted();
    return { kept: true, records: this.records.length - before };
  }

  #keep(bytes: Buffer): void {
    for (const reading of readPosts(bytes)) {
      if (reading.kind === "unreadable") this.unreadable.push(bytes.toString("utf8"));
      if (reading.kind === "unreadable" || reading.kind === "other") continue;
      const { op, version } = reading.fields;
      const record = { id: reading.id, op, version: version ?? "", bytes };
      const key = keyOf(record);
      if (this.#known.has(key)) this.duplicates += 1;
      else this.records.push(record);
      this.#known.add(key);
    }
  }
}

/** What makes two records the same. */
export function keyOf({ id, op, version }: Pick<KeptRecord, "id" | "op" | "version">): string {
  return `${op} ${id} ${version}`;
}

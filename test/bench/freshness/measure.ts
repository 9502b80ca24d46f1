import { setTimeout as sleep } from "node:timers/promises";
import { createTopicIfMissing, openFencedWriter } from "@hybridge/kafka";
import { headerNames, postAt } from "@hybridge/tweet";
import { TOPIC, type Side } from "./sides.ts";

const PARTITIONS = 6;
const SEED = 3;
const TICK_MS = 100;
const WARM_UP_MS = 15_000;
/** Between two queries. */
const PAUSE_MS = 200;
/** After the last post: so long a row may take at most. */
const PATIENCE_MS = 120_000;

export interface Load {
  /** Posts a second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface Freshness {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly queries: number;
  /** How long one took, median. */
  readonly queryMs: number;
}

/** Streams posts at a rate and asks again and again which of them a query returns. */
export async function measure(side: Side, load: Load, signal: AbortSignal): Promise<Freshness> {
  await createTopicIfMissing(side.cluster, { topic: TOPIC, partitions: PARTITIONS }, signal);
  await using process = side.start();
  await process.until(({ partitions }) => partitions.length === PARTITIONS);
  const posts = new SentPosts();
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const sending = send(side, load, posts, until);
  sending.catch((error: unknown) => stop.abort(error));
  const queries = await watch(side, posts, sending, until);
  await sending;
  return { ...posts.freshness(), ...queries };
}

/** When each post was sent, and how old it was when it was seen. */
class SentPosts {
  readonly #sentAtMs = Array.from({ length: PARTITIONS }, () => [] as number[]);
  readonly #seen = Array.from({ length: PARTITIONS }, () => new Set<number>());
  readonly #agesMs: number[] = [];
  /** Posts that were sent before are of the warm-up. */
  measuredFromMs = Infinity;
  #sent = 0;

  sent(partition: number, firstOffset: number, count: number, atMs: number): void {
    const times = this.#sentAtMs[partition] ?? [];
    for (let index = 0; index < count; index++) times[firstOffset + index] = atMs;
    this.#sent += count;
  }

  seen(row: string, atMs: number): void {
    const [partition = -1, offset = -1] = row.split("/").map(Number);
    const seen = this.#seen[partition];
    const sentAtMs = this.#sentAtMs[partition]?.[offset];
    if (sentAtMs === undefined || !seen || seen.has(offset)) return;
    seen.add(offset);
    if (sentAtMs >= this.measuredFromMs) this.#agesMs.push(atMs - sentAtMs);
  }

  get isAllSeen(): boolean {
    return this.#seen.reduce((sum, { size }) => sum + size, 0) === this.#sent;
  }

  /** All below were seen, in every partition. */
  get firstUnseen(): number {
    const first = this.#sentAtMs.map((times, partition) => {
      const unseen = times.findIndex(
        (at, offset) => at >= 0 && !this.#seen[partition]?.has(offset),
      );
      return unseen === -1 ? times.length : unseen;
    });
    return Math.min(...first);
  }

  freshness(): Omit<Freshness, "queries" | "queryMs"> {
    const sorted = this.#agesMs.toSorted((a, b) => a - b);
    const at = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }
}

/** A batch to each partition in turn, so many that the rate is kept. */
async function send(
  { cluster }: Side,
  { rate, seconds }: Load,
  posts: SentPosts,
  signal: AbortSignal,
): Promise<void> {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  await using writer = await openFencedWriter({
    ...{ cluster, topic: TOPIC, partitions, signal },
    transactionalId: "bench-freshness",
    compression: "lz4",
  });
  const beganAtMs = Date.now();
  posts.measuredFromMs = beganAtMs + WARM_UP_MS;
  const total = Math.round((rate * (WARM_UP_MS + seconds * 1_000)) / 1_000);
  for (let sent = 0, turn = 0; sent < total; turn += 1) {
    const nowMs = Date.now();
    const due = Math.min(total, Math.floor(((nowMs - beganAtMs) * rate) / 1_000));
    const records = Array.from({ length: due - sent }, (_, index) => {
      const post = postAt(SEED, sent + index, beganAtMs);
      const headers = [[headerNames.schema, Buffer.from(post.schema)] as const];
      return {
        key: Buffer.from(post.id),
        value: Buffer.from(post.json),
        headers,
        timestampMs: nowMs,
      };
    });
    if (records.length > 0) {
      const partition = turn % PARTITIONS;
      const first = Number(await writer.append(partition, records));
      posts.sent(partition, first, records.length, nowMs);
      sent = due;
    }
    await sleep(TICK_MS, undefined, { signal });
  }
}

/** Asks until every post was seen. @throws when that takes too long after the last one */
async function watch(
  side: Side,
  posts: SentPosts,
  sending: Promise<void>,
  signal: AbortSignal,
): Promise<Pick<Freshness, "queries" | "queryMs">> {
  let endedAtMs: number | undefined;
  void sending.then(
    () => (endedAtMs = Date.now()),
    () => undefined,
  );
  const tookMs: number[] = [];
  while (endedAtMs === undefined || !posts.isAllSeen) {
    if (endedAtMs !== undefined && Date.now() > endedAtMs + PATIENCE_MS) {
      throw new Error("not every post was returned by a query");
    }
    const askedAtMs = Date.now();
    try {
      for await (const rows of side.rowsFrom(posts.firstUnseen, signal)) {
        for (const row of rows) posts.seen(row, Date.now());
      }
      tookMs.push(Date.now() - askedAtMs);
    } catch (error) {
      // The table is made with the first rows.
      if (tookMs.length > 0 || signal.aborted) throw error;
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  return { queries: sorted.length, queryMs: sorted[Math.floor(sorted.length / 2)] ?? 0 };
}

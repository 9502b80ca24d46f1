import type { PartitionStatus } from "../engine/status.ts";
import type { OffsetRange, TopicKey } from "../log/protocol.ts";

/**
 * Where a lane is in its life:
 *
 *     waiting --> reading --> filled --> waiting      (its hole in the log is read: look for the next)
 *        |           |
 *        +-----------+------> stopped                 (something is wrong; an operator or time helps)
 *     any of them ----------> over                    (it is not this process's any more)
 */
export type LaneState = "waiting" | "reading" | "filled" | "stopped" | "over";

/** Offsets that were committed by this process and are not known to be visible yet. */
interface Unseen {
  readonly commit: number;
  readonly from: bigint;
}

/**
 * One partition for as long as this process has it: from an assignment to its end. Taken away and
 * given back, it is a new lane, so that nothing of before can touch it.
 */
export class Lane {
  readonly partition: number;
  readonly topic: TopicKey;
  #state: LaneState = "waiting";
  /** The offset that is read next. */
  #next = 0n;
  /** Where the hole that is being read ends; undefined for the last one. */
  #stopAt: bigint | undefined;
  /** Everything below is in the log, or held no records. */
  #landed = 0n;
  #committedTo = 0n;
  #endOffset = 0n;
  /** Records that were read and are in no commit. */
  #pending = 0;
  /** The first of them in each flush. */
  #waiting: { readonly from: bigint; readonly timestampMs: number }[] = [];
  #unseen: Unseen[] = [];
  isPaused = false;

  constructor(topic: TopicKey, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get state(): LaneState {
    return this.#state;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  get next(): bigint {
    return this.#next;
  }

  get endOffset(): bigint {
    return this.#endOffset;
  }

  get stopAt(): bigint | undefined {
    return this.#stopAt;
  }

  get landed(): bigint {
    return this.#landed;
  }

  /** `topic/partition`, for people. */
  get place(): string {
    return `${this.topic.topic}/${this.partition}`;
  }

  /** Reads a hole of the log from its first offset on. */
  read(hole: { readonly from: bigint; readonly to?: bigint }): void {
    if (this.isOver) return;
    this.#state = "reading";
    this.#next = hole.from;
    this.#landed = hole.from;
    this.#committedTo = hole.from;
    this.#stopAt = hole.to;
    this.#pending = 0;
    this.#waiting = [];
  }

  /**
   * Everything below `nextOffset` was read; `records` of it are in a buffer.
   *
   * @param firstMs timestamp of the first of them, where the buffer had none of this lane before
   */
  advance(nextOffset: bigint, endOffset: bigint, records: number, firstMs?: number): void {
    if (firstMs !== undefined) this.#waiting.push({ from: this.#next, timestampMs: firstMs });
    this.#next = nextOffset;
    this.#endOffset = endOffset;
    if (records > 0) this.#pending += records;
    else if (this.#pending === 0) this.#landed = nextOffset;
    if (this.#stopAt !== undefined && nextOffset >= this.#stopAt) this.#state = "filled";
  }

  /** Offsets up to `to` (exclusive) with so many records are in the log. */
  committed(commit: number, range: OffsetRange, records: number): void {
    this.#unseen.push({ commit, from: range.from });
    if (this.isOver) return;
    this.#pending = Math.max(0, this.#pending - records);
    this.#waiting = this.#waiting.filter(({ from }) => from >= range.to);
    if (range.to > this.#committedTo) this.#committedTo = range.to;
    // Offsets behind the last record may be control records, which nothing has to land.
    this.#landed = this.#pending === 0 && this.#next > range.to ? this.#next : range.to;
  }

  /** What was there before this lane began is visible when a catalog has followed so far. */
  begin(commit: number): void {
    this.#unseen.push({ commit, from: 0n });
  }

  /** The catalog shows everything up to a commit. */
  seen(commit: number): void {
    this.#unseen = this.#unseen.filter((each) => each.commit > commit);
  }

  /** Everything below is visible to queries. */
  get queryable(): bigint {
    return this.#unseen[0]?.from ?? this.#landed;
  }

  /** Looks for its next hole when the log is known again. */
  wait(): void {
    if (!this.isOver) this.#state = "waiting";
  }

  stop(): void {
    if (!this.isOver) this.#state = "stopped";
  }

  /** Goes on where it stopped. */
  resume(): void {
    if (this.#state === "stopped") this.#state = "reading";
  }

  /** Offsets below `to` are passed over. */
  skip(to: bigint): void {
    this.#next = to;
    if (this.isOver) return;
    this.#state = this.#stopAt !== undefined && to >= this.#stopAt ? "filled" : "reading";
  }

  /** Ends its hole at `to`: nothing more is read before the log has everything up to there. */
  fill(to: bigint): void {
    this.#next = to;
    this.#stopAt = to;
    if (!this.isOver) this.#state = "filled";
  }

  /** The hole was read to its end, and the log has all of it. */
  get isDone(): boolean {
    const { stopAt } = this;
    return this.#state === "filled" && stopAt !== undefined && this.#committedTo >= stopAt;
  }

  end(): void {
    this.#state = "over";
  }

  status(nowMs: number): Omit<PartitionStatus, "reason"> {
    return {
      partition: this.partition,
      topicId: this.topic.topicId,
      state: this.isPaused ? "paused" : this.#state,
      landedOffset: this.#landed,
      queryableOffset: this.queryable,
      readOffset: this.#next,
      endOffset: this.#endOffset,
      ...this.lag(nowMs),
    };
  }

  /** How many offsets are behind the log's end, and how long the oldest record has waited. */
  lag(nowMs: number): { readonly lag: bigint; readonly lagMs: bigint } {
    const lag = this.#endOffset > this.#landed ? this.#endOffset - this.#landed : 0n;
    // Producers may write any time; -1 is Kafka's "none", from which no lag can be told.
    const oldestMs = this.#waiting[0]?.timestampMs ?? -1;
    const lagMs = lag > 0n && oldestMs >= 0 ? Math.max(0, nowMs - oldestMs) : 0;
    return { lag, lagMs: BigInt(Math.trunc(lagMs)) };
  }
}

import { describeError, failpoint, InvariantError, isAbort } from "@hybridge/core";
import type { Encoded } from "../encoder-port.ts";
import type { Lane } from "../lanes/lane.ts";
import type { PartitionRange } from "../log/coverage.ts";
import type { CommitOutcome, PreparedCommit } from "../log/landing-log.ts";
import type { LocalFile } from "../store-port.ts";
import { contentOf, countsOf } from "./content.ts";
import type { FlushBuffer, Gap, Slice } from "./flush-buffer.ts";
import type { FlusherOptions, LandedFlush } from "./flusher.ts";

/** What became of an attempt to commit a flush. */
export type FlightOutcome =
  | { readonly kind: "committed"; readonly flush: LandedFlush }
  /** Others have landed offsets of these lanes; without them it may be tried again. */
  | { readonly kind: "lost"; readonly lanes: readonly Lane[] }
  | { readonly kind: "asleep" }
  /** Everything in it was dropped. */
  | { readonly kind: "empty" };

/** Files on local disk, and what a commit says of them. */
interface Made extends AsyncDisposable {
  readonly encoded: Encoded;
  readonly dead: LocalFile | undefined;
  readonly slices: readonly Slice[];
  readonly gaps: readonly Gap[];
  /** Of the buffer when they were made. */
  readonly drops: number;
}

/**
 * One flush from the end of its filling to the decision what becomes of it. Its records are in memory
 * until they are encoded; whoever is dropped later is taken out of the files.
 */
export class Flight implements AsyncDisposable {
  readonly #buffer: FlushBuffer;
  readonly #options: FlusherOptions;
  #made: Made | undefined;
  #prepared: PreparedCommit | undefined;

  constructor(buffer: FlushBuffer, options: FlusherOptions) {
    this.#buffer = buffer;
    this.#options = options;
  }

  get lanes(): readonly Lane[] {
    return this.#buffer.lanes();
  }

  /** Dead letters stay in memory until it is decided. */
  get holdsLetters(): boolean {
    return (this.#made?.encoded.deadLetters.length ?? 0) > 0;
  }

  drop(lane: Lane): void {
    this.#buffer.drop(lane);
  }

  /** Makes the files, and frees the buffer. */
  async encode(kill: AbortSignal): Promise<void> {
    const { health, clock } = this.#options;
    const { encoder } = this.#buffer;
    try {
      if (!this.#buffer.isWorthIt) return;
      const landedAtMs = clock.now();
      await this.#make(kill, () => {
        const request = { landedAtMs, without: this.#buffer.without(), signal: kill };
        return health.persist("encoder", () => encoder.encode(request), kill);
      });
    } finally {
      await encoder[Symbol.asyncDispose]();
    }
    failpoint("landing.after-encode");
  }

  /** Draft and uploads. Several flushes may be at it. */
  async stage(kill: AbortSignal): Promise<void> {
    const { log, health, encoder } = this.#options;
    const made = this.#made;
    if (made === undefined || this.#isStale) return;
    const content = contentOf({ ...made, columns: encoder.columns });
    this.#prepared = await health.persist("store", () => log.prepare(content, kill), kill);
    failpoint("landing.before-commit");
  }

  /** Appends it to the log; the one before must be decided. Stages again what a sweep has passed. */
  async commit(kill: AbortSignal): Promise<FlightOutcome> {
    const { log, health, pace } = this.#options;
    for (;;) {
      if (this.#isStale) await this.#withoutDropped(kill);
      if (this.#made === undefined) return { kind: "empty" };
      const [made, prepared] = [this.#made, this.#prepared];
      if (prepared === undefined) {
        // Whoever is dropped while it is staged is left out after all.
        await this.stage(kill);
        continue;
      }
      const outcome = await health.persist("store", () => log.commit(prepared, kill), kill);
      pace.committed(outcome.attempts, outcome.kind === "committed");
      if (outcome.kind === "committed") {
        const { slices, gaps, encoded } = made;
        const { number } = outcome;
        return {
          kind: "committed",
          flush: { ...countsOf(encoded), number, prepared, slices, gaps },
        };
      }
      await this.#discard(kill);
      if (outcome.kind === "swept") continue;
      return this.#refused(outcome, made);
    }
  }

  /** What is on local disk is not needed any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const made = this.#made;
    this.#made = undefined;
    await made?.[Symbol.asyncDispose]();
  }

  /** Was somebody dropped since the files were made? */
  get #isStale(): boolean {
    return this.#made !== undefined && this.#made.drops !== this.#buffer.drops;
  }

  #refused(
    outcome: Exclude<CommitOutcome, { kind: "committed" | "swept" }>,
    { slices, gaps }: Made,
  ): FlightOutcome {
    if (outcome.kind === "refused") throw new InvariantError(`a flush: ${outcome.reason}`);
    if (outcome.kind === "asleep") return { kind: "asleep" };
    const lanes = lanesOf(outcome.ranges, slices, gaps);
    if (lanes.length === 0) throw new InvariantError("a commit was refused for nobody's ranges");
    return { kind: "lost", lanes };
  }

  /** Makes the files again without those that were dropped since. */
  async #withoutDropped(kill: AbortSignal): Promise<void> {
    await this.#discard(kill);
    await using former = this.#made;
    this.#made = undefined;
    if (former === undefined || !this.#buffer.isWorthIt) return;
    const { encoded } = former;
    await this.#make(kill, () => {
      const again = () => encoded.without(this.#buffer.without(), kill);
      return this.#options.health.persist("encoder", again, kill);
    });
    failpoint("landing.after-leaving-out");
  }

  async #make(kill: AbortSignal, encode: () => Promise<Encoded>): Promise<void> {
    const { health, writeDeadLetters } = this.#options;
    const [slices, gaps, drops] = [this.#buffer.slices(), this.#buffer.gaps(), this.#buffer.drops];
    await using stack = new AsyncDisposableStack();
    const encoded = stack.use(await encode());
    const { deadLetters } = encoded;
    const write = () => writeDeadLetters(deadLetters, kill);
    const hasDead = deadLetters.length > 0;
    const dead = hasDead ? stack.use(await health.persist("encoder", write, kill)) : undefined;
    const owned = stack.move();
    const dispose = () => owned.disposeAsync();
    this.#made = { encoded, dead, slices, gaps, drops, [Symbol.asyncDispose]: dispose };
  }

  /** What is not discarded a sweeper removes. */
  async #discard(kill: AbortSignal): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared === undefined) return;
    try {
      await this.#options.log.discard(prepared, kill);
    } catch (error) {
      if (isAbort(error, kill)) throw error;
      const message = `a draft was not removed, and is left to the sweeper: ${describeError(error)}`;
      this.#options.emit({ name: "landing.draft_left", level: "debug", message, error });
    }
  }
}

function lanesOf(
  ranges: readonly PartitionRange[],
  slices: readonly Slice[],
  gaps: readonly Gap[],
): readonly Lane[] {
  const key = (topicId: string, partition: number) => `${topicId} ${partition}`;
  const lost = new Set(ranges.map(({ topicId, partition }) => key(topicId, partition)));
  const lanes = new Set([...slices, ...gaps].map(({ lane }) => lane));
  return [...lanes].filter((lane) => lost.has(key(lane.topic.topicId, lane.partition)));
}

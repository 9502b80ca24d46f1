import type { Clock } from "@hybridge/core";

/** What is kept of the reads of a month. */
export interface ReadsOfMonth {
  /** ISO time at which the month began. */
  readonly since: string;
  /** Never less than what was read: it runs ahead by what may be read before it is written again. */
  readonly reads: number;
}

/** Where the count survives a restart. */
export interface ReadsStore {
  load(): Promise<ReadsOfMonth | undefined>;
  /** Resolves when the count is on the disk. */
  save(reads: ReadsOfMonth): Promise<void>;
}

export interface ReadBudgetOptions {
  /** Posts in a month; 0 for no bound. */
  readonly readsMax: number;
  /** Day on which X begins to count anew (cap_reset_day of GET /2/usage/tweets), 1 to 28. */
  readonly resetDay: number;
  readonly store: ReadsStore;
  readonly clock: Clock;
}

/** Posts that one write of the count allows: what a crash may charge too much at most. */
const LEASE_MAX = 500;

/**
 * The guard of what X charges for: posts read in a month. It counts before it allows, and what it
 * allowed is on the disk first, so that no crash lets the month hold more than its bound.
 */
export class ReadBudget {
  readonly #options: ReadBudgetOptions;
  #since = "";
  #reads = 0;
  #leased = 0;

  private constructor(options: ReadBudgetOptions) {
    this.#options = options;
  }

  static async open(options: ReadBudgetOptions): Promise<ReadBudget> {
    const budget = new ReadBudget(options);
    const kept = await options.store.load();
    budget.#since = budget.#monthNow().since;
    if (kept?.since === budget.#since) budget.#reads = budget.#leased = kept.reads;
    return budget;
  }

  /** Posts read in this month. */
  get reads(): number {
    this.#turn();
    return this.#reads;
  }

  /** Undefined without a bound. */
  get left(): number | undefined {
    const { readsMax } = this.#options;
    return readsMax === 0 ? undefined : Math.max(0, readsMax - this.reads);
  }

  /** When the count begins anew. */
  get resetAtMs(): number {
    return this.#monthNow().endMs;
  }

  /** Counts posts that were read. Resolves when the count on the disk covers them. */
  async count(posts: number): Promise<void> {
    this.#turn();
    this.#reads += posts;
    if (this.#reads <= this.#leased) return;
    const { readsMax } = this.#options;
    const lease = readsMax === 0 ? LEASE_MAX : Math.min(LEASE_MAX, Math.ceil(readsMax / 100));
    await this.#save(this.#reads + lease);
  }

  /** Writes the exact count. */
  async close(): Promise<void> {
    if (this.#leased !== this.#reads) await this.#save(this.#reads);
  }

  async #save(reads: number): Promise<void> {
    await this.#options.store.save({ since: this.#since, reads });
    this.#leased = reads;
  }

  /** A clock that was set back must not open a month again that was used up. */
  #turn(): void {
    const { since } = this.#monthNow();
    if (since <= this.#since) return;
    this.#since = since;
    this.#reads = 0;
    this.#leased = 0;
  }

  #monthNow(): { since: string; endMs: number } {
    const { clock, resetDay } = this.#options;
    const now = new Date(clock.now());
    const isBefore = now.getUTCDate() < resetDay;
    const month = now.getUTCMonth() - (isBefore ? 1 : 0);
    const year = now.getUTCFullYear();
    return {
      since: new Date(Date.UTC(year, month, resetDay)).toISOString(),
      endMs: Date.UTC(year, month + 1, resetDay),
    };
  }
}

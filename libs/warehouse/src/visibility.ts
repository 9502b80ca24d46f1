import { systemClock } from "@hybridge/core";
import type { CatalogPosition, FollowingCatalog, LandingEngine } from "@hybridge/landing";
import type { TableLeader } from "./lead.ts";

/** Between two questions to a catalog that another process lets follow. */
const ASK_MS = 2_000;
const ANSWER_MS = 5_000;

/**
 * How far a catalog shows what this process has landed. The process that lets it follow knows; the
 * others ask, and only when somebody asks them while rows are on their way: an idle warehouse sleeps.
 */
export class LandedVisibility {
  readonly #catalog: FollowingCatalog;
  readonly #engine: LandingEngine;
  readonly #leader: TableLeader;
  #askedAtMs = -Infinity;
  #known: CatalogPosition | undefined;
  #asking: Promise<void> | undefined;

  constructor(catalog: FollowingCatalog, engine: LandingEngine, leader: TableLeader) {
    this.#catalog = catalog;
    this.#engine = engine;
    this.#leader = leader;
  }

  get name(): string {
    return this.#catalog.name;
  }

  /** The position as it is known now. */
  get position(): CatalogPosition | undefined {
    return this.#leader.follower?.status.position ?? this.#known;
  }

  /** Brings the engine up to date; a catalog that does not answer is no reason to wait long. */
  async refresh(): Promise<void> {
    if (this.#leader.follower !== undefined || !this.#engine.hasUnseen) return;
    const now = systemClock.monotonic();
    if (now - this.#askedAtMs >= ASK_MS && this.#asking === undefined) {
      this.#askedAtMs = now;
      this.#asking = this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }
    await this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      this.#known = await this.#catalog.position(AbortSignal.timeout(ANSWER_MS));
      if (this.#known) this.#engine.visible(this.#known.number);
    } catch {
      // The former answer counts; whoever lets the catalog follow tells what is wrong with it.
    }
  }
}

import { postAt } from "@hybridge/tweet";

/** Mean time between generated posts, by which their times advance (libs/tweet). */
const STEP_MS = 20;

/** Posts of one form in the endless sequence of a seed, each made as of now. */
export class MadePosts {
  readonly #seed: number;
  readonly #schema: string;
  #index = 0;

  constructor(seed: number, schema: "x.v2" | "bluesky.v1") {
    this.#seed = seed;
    this.#schema = schema;
  }

  /** The JSON of the next one. */
  next(nowMs: number): string {
    for (;;) {
      const index = this.#index++;
      const post = postAt(this.#seed, index, nowMs - index * STEP_MS);
      if (post.schema === this.#schema) return post.json;
    }
  }
}

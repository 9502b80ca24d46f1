import { MadePosts } from "../made-posts.ts";

/** Something that happened in the network, before any instance of Jetstream has seen it. */
export interface Happening {
  readonly atMs: number;
  readonly did: string;
  readonly kind: "commit" | "identity" | "account" | "sync";
  readonly collection?: string;
  /** The payload without its number and time. */
  readonly payload: Readonly<Record<string, unknown>>;
}

const AUTHORS = 40;
/** Older posts are not touched any more. */
const PRESENT_MAX = 5_000;

/** Whether a reader of posts and deletions keeps it. */
export function isRecord({ kind, collection, payload }: Happening): boolean {
  if (kind === "commit") return collection === "app.bsky.feed.post";
  const account = payload["account"] as { readonly active: boolean } | undefined;
  return account?.active === false;
}

/**
 * What people do: mostly they post; some edit, delete, like, leave or come back. Nothing is said of
 * an author who has left for good.
 */
export class Network {
  readonly #random: () => number;
  readonly #posts: MadePosts;
  #present: { readonly did: string; readonly rkey: string; readonly record: object }[] = [];
  readonly #gone = new Set<string>();
  #revisions = 0;
  #authors = 0;

  constructor(seed: number, random: () => number) {
    this.#random = random;
    this.#posts = new MadePosts(seed, "bluesky.v1");
  }

  happen(atMs: number): Happening {
    const chance = this.#random();
    return chance < 0.62
      ? this.#create(atMs)
      : chance < 0.68
        ? this.#change(atMs, "update")
        : chance < 0.8
          ? this.#change(atMs, "delete")
          : this.#beside(atMs, chance);
  }

  #create(atMs: number): Happening {
    const did = this.#author();
    const record = this.#record(atMs);
    const rkey = `k${this.#next()}`;
    this.#present.push({ did, rkey, record });
    if (this.#present.length > PRESENT_MAX) this.#present.shift();
    return this.#commit(atMs, { did, rkey, operation: "create", record, cid: `cid${rkey}` });
  }

  #change(atMs: number, operation: "update" | "delete"): Happening {
    const at = Math.floor(this.#random() * this.#present.length);
    const post = this.#present[at];
    if (!post) return this.#create(atMs);
    const { did, rkey } = post;
    if (operation === "update") {
      const record = this.#record(atMs);
      return this.#commit(atMs, { did, rkey, operation, record, cid: `cid${this.#next()}` });
    }
    this.#present.splice(at, 1);
    return this.#commit(atMs, { did, rkey, operation });
  }

  #beside(atMs: number, chance: number): Happening {
    const did = this.#author();
    const upstream = { did, seq: this.#next(), time: new Date(atMs).toISOString() };
    if (chance < 0.9) {
      const record = { $type: "app.bsky.feed.like", createdAt: upstream.time };
      const like = { did, rkey: `k${this.#next()}`, operation: "create", record, cid: "c" };
      return this.#commit(atMs, like, "app.bsky.feed.like");
    }
    if (chance < 0.93) {
      return {
        atMs,
        did,
        kind: "identity",
        payload: { identity: { ...upstream, handle: "a.example" } },
      };
    }
    if (chance < 0.96)
      return { atMs, did, kind: "sync", payload: { sync: { ...upstream, rev: "r" } } };
    if (chance < 0.98) {
      return { atMs, did, kind: "account", payload: { account: { ...upstream, active: true } } };
    }
    this.#gone.add(did);
    this.#present = this.#present.filter((post) => post.did !== did);
    const status = chance < 0.99 ? "deleted" : "takendown";
    return {
      atMs,
      did,
      kind: "account",
      payload: { account: { ...upstream, active: false, status } },
    };
  }

  #commit(
    atMs: number,
    commit: { readonly did: string } & Readonly<Record<string, unknown>>,
    collection = "app.bsky.feed.post",
  ): Happening {
    const { did } = commit;
    const rev = `3k${String(this.#next()).padStart(11, "2")}`;
    return { atMs, did, kind: "commit", collection, payload: { ...commit, rev, collection } };
  }

  #record(atMs: number): object {
    // The generator writes both versions of Jetstream's events.
    interface Committed {
      readonly record: object;
    }
    const event = JSON.parse(this.#posts.next(atMs)) as { commit?: Committed; payload?: Committed };
    return event.commit?.record ?? event.payload?.record ?? {};
  }

  #author(): string {
    for (;;) {
      const number = Math.floor(this.#random() * AUTHORS) + Math.floor(this.#authors++ / 500);
      const did = `did:plc:${number.toString(36).padStart(24, "a")}`;
      if (!this.#gone.has(did)) return did;
    }
  }

  #next(): number {
    return (this.#revisions += 1);
  }
}

import type { OtherName } from "@hybridge/tweet";

/** What became of everything that was read of the source: it adds up. */
export interface Counts {
  /** Records: somebody posted, or changed a post. */
  readonly posts: number;
  /** Records: a post or an author is gone. */
  readonly deletions: number;
  /** The same again: no record. */
  readonly duplicates: number;
  /** What cannot be a post, here or in an earlier run: no record. */
  readonly unreadable: number;
  /** What is understood and no post, by name: no record. */
  readonly others: ReadonlyMap<OtherName, number>;
}

export class Tally implements Counts {
  posts = 0;
  deletions = 0;
  duplicates = 0;
  unreadable = 0;
  readonly others = new Map<OtherName, number>();

  addOther(name: OtherName): void {
    this.others.set(name, (this.others.get(name) ?? 0) + 1);
  }

  clear(): void {
    this.posts = this.deletions = this.duplicates = this.unreadable = 0;
    this.others.clear();
  }
}

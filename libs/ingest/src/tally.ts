import type { OtherName } from "@hybridge/tweet";
import { noCounts } from "./spool/state.ts";
import type { PartCounts } from "./spool/format.ts";

/** What became of everything that was read of a source: it adds up. */
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

export function sumOf(all: Iterable<PartCounts>): Counts {
  let sum = noCounts;
  for (const each of all) sum = plus(sum, each);
  return { ...sum, others: new Map(Object.entries(sum.others) as [OtherName, number][]) };
}

export function plus(one: PartCounts, other: PartCounts): PartCounts {
  const others: Record<string, number> = { ...one.others };
  for (const [name, count] of Object.entries(other.others)) {
    others[name] = (others[name] ?? 0) + count;
  }
  return {
    posts: one.posts + other.posts,
    deletions: one.deletions + other.deletions,
    duplicates: one.duplicates + other.duplicates,
    unreadable: one.unreadable + other.unreadable,
    others,
  };
}

import type { TopicPartition } from "./api.ts";
import type { GroupSubscription } from "../wire/subscription.ts";

export interface GroupMember extends GroupSubscription {
  readonly memberId: string;
}

/**
 * Shares partitions out: as evenly as the subscriptions allow, moving as few as possible, and by
 * the cooperative rule (KIP-429): a partition that another member still has is given to nobody in
 * this round; its owner gives it up and joins again, and the next round hands it on.
 *
 * @param counts partitions by topic; topics that do not exist are left out
 */
export function assignSticky(
  members: readonly GroupMember[],
  counts: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const owners = ownersOf(members, counts);
  const wanted = share(members, counts, owners);
  const assignment = new Map(members.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
  const claimed = claimsOf(members);
  for (const [key, { at, memberId }] of wanted) {
    const claims = claimed.get(key);
    const isFree = claims === undefined || [...claims].every((claim) => claim === memberId);
    if (isFree) assignment.get(memberId)?.push(at);
  }
  return assignment;
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

/** Everybody who says that he has a partition, whatever the generation: none of them is passed over. */
function claimsOf(members: readonly GroupMember[]): Map<string, Set<string>> {
  const claims = new Map<string, Set<string>>();
  for (const { memberId, owned } of members) {
    for (const at of owned) {
      const key = keyOf(at);
      const set = claims.get(key) ?? new Set();
      claims.set(key, set.add(memberId));
    }
  }
  return claims;
}

/** Who has what by the newest generation; what two have by the same one nobody keeps. */
function ownersOf(
  members: readonly GroupMember[],
  counts: ReadonlyMap<string, number>,
): Map<string, string> {
  const newest = new Map<string, { generation: number; memberId: string | undefined }>();
  for (const { memberId, owned, topics, generation } of members) {
    for (const at of owned) {
      if (!topics.includes(at.topic) || at.partition >= (counts.get(at.topic) ?? 0)) continue;
      const key = keyOf(at);
      const best = newest.get(key);
      if (best === undefined || generation > best.generation) {
        newest.set(key, { generation, memberId });
      } else if (generation === best.generation) best.memberId = undefined;
    }
  }
  return new Map(
    [...newest].flatMap(([key, { memberId }]) => (memberId === undefined ? [] : [[key, memberId]])),
  );
}

interface Wanted {
  readonly at: TopicPartition;
  readonly memberId: string;
}

/** The assignment to reach in the end. */
function share(
  members: readonly GroupMember[],
  counts: ReadonlyMap<string, number>,
  owners: ReadonlyMap<string, string>,
): Map<string, Wanted> {
  const loads = new Map(members.map(({ memberId }) => [memberId, 0]));
  const wanted = new Map<string, Wanted>();
  const give = (at: TopicPartition, memberId: string) => {
    wanted.set(keyOf(at), { at, memberId });
    loads.set(memberId, (loads.get(memberId) ?? 0) + 1);
  };
  const homeless: (TopicPartition & { readonly takers: readonly string[] })[] = [];
  for (const [topic, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const takers = members
      .filter(({ topics }) => topics.includes(topic))
      .map(({ memberId }) => memberId);
    if (takers.length === 0) continue;
    for (let partition = 0; partition < count; partition++) {
      const at = { topic, partition };
      const owner = owners.get(keyOf(at));
      if (owner === undefined) homeless.push({ ...at, takers });
      else give(at, owner);
    }
  }
  for (const { topic, partition, takers } of homeless) {
    give({ topic, partition }, leastLoaded(takers, loads));
  }
  level(members, wanted, loads);
  return wanted;
}

function leastLoaded(takers: readonly string[], loads: ReadonlyMap<string, number>): string {
  return takers.reduce((best, taker) => {
    const [a, b] = [loads.get(taker) ?? 0, loads.get(best) ?? 0];
    return a < b || (a === b && taker < best) ? taker : best;
  });
}

/** Moves partitions from members with more to members with at least two fewer who may have them. */
function level(
  members: readonly GroupMember[],
  wanted: Map<string, Wanted>,
  loads: Map<string, number>,
): void {
  const topicsOf = new Map(members.map(({ memberId, topics }) => [memberId, new Set(topics)]));
  const held = Map.groupBy(wanted.values(), ({ memberId }) => memberId);
  const loadOf = (memberId: string) => loads.get(memberId) ?? 0;
  for (;;) {
    const byLoad = [...loads.keys()].sort((a, b) => loadOf(a) - loadOf(b) || (a < b ? -1 : 1));
    const move = findMove(byLoad, loadOf, held, topicsOf);
    if (!move) return;
    const { from, to, index } = move;
    const [entry] = held.get(from)?.splice(index, 1) ?? [];
    if (!entry) return;
    const moved = { at: entry.at, memberId: to };
    wanted.set(keyOf(entry.at), moved);
    held.set(to, [...(held.get(to) ?? []), moved]);
    loads.set(from, loadOf(from) - 1);
    loads.set(to, loadOf(to) + 1);
  }
}

function findMove(
  byLoad: readonly string[],
  loadOf: (memberId: string) => number,
  held: ReadonlyMap<string, readonly Wanted[]>,
  topicsOf: ReadonlyMap<string, ReadonlySet<string>>,
): { from: string; to: string; index: number } | undefined {
  for (const to of byLoad) {
    const topics = topicsOf.get(to);
    for (const from of byLoad.toReversed()) {
      if (loadOf(from) - loadOf(to) < 2) break;
      const entries = held.get(from) ?? [];
      const index = entries.findLastIndex(({ at }) => topics?.has(at.topic) ?? false);
      if (index >= 0) return { from, to, index };
    }
  }
  return undefined;
}

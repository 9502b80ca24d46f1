import type { Cluster } from "./cluster.ts";
import type { TopicPartition } from "./group/api.ts";
import {
  listOffsetsApi,
  listOffsetsAt,
  readListOffsets,
  writeListOffsets,
  type ListedOffset,
} from "./wire/list-offsets.ts";
import { brokerError } from "./wire/protocol-errors.ts";

/**
 * Where a partition begins, or ends (exclusive), of all records or of the committed ones.
 *
 * @throws BrokerError when the leader is another one or does not know; the next call asks anew
 */
export async function offsetAt(
  cluster: Cluster,
  at: { readonly topic: string; readonly partition: number },
  place: keyof typeof listOffsetsAt,
  signal: AbortSignal,
  committedOnly = true,
): Promise<bigint> {
  const { topic, partition } = at;
  const [answer] = await cluster.askLeader(
    at,
    listOffsetsApi,
    () => writeListOffsets(topic, [partition], listOffsetsAt[place], committedOnly),
    readListOffsets,
    signal,
  );
  if (answer?.error === 0) return answer.offset;
  cluster.forget(topic);
  const need = { operation: "Read", name: topic } as const;
  throw brokerError(`list the offsets of ${topic}-${partition}`, answer?.error ?? -1, null, need);
}

/** The first offset and the end (exclusive) of what is committed in a partition. */
export async function rangeOf(
  cluster: Cluster,
  topic: string,
  partition: number,
  signal: AbortSignal,
): Promise<{ start: bigint; end: bigint }> {
  const at = { topic, partition };
  const start = await offsetAt(cluster, at, "earliest", signal);
  return { start, end: await offsetAt(cluster, at, "latest", signal) };
}

/**
 * Where the partitions of a topic end (exclusive), with one request per broker. Those that a broker
 * does not know at the moment are left out: whoever needs a certain one asks offsetAt.
 *
 * @throws BrokerError when a partition has no leader
 */
export async function endsOf(
  cluster: Cluster,
  topic: string,
  signal: AbortSignal,
  committedOnly = true,
): Promise<Map<number, bigint>> {
  return await offsetsAt(cluster, topic, "latest", signal, committedOnly);
}

/** As endsOf, for any place that ListOffsets knows. */
export async function offsetsAt(
  cluster: Cluster,
  topic: string,
  place: keyof typeof listOffsetsAt,
  signal: AbortSignal,
  committedOnly = true,
): Promise<Map<number, bigint>> {
  const known = cluster.known(topic) ?? (await cluster.topic(topic, signal));
  const byLeader = Map.groupBy(known.partitions, ({ leader }) => leader);
  const ends = new Map<number, bigint>();
  for (const partitions of byLeader.values()) {
    const numbers = partitions.map(({ partition }) => partition);
    const answers = await cluster.askLeader(
      { topic, partition: numbers[0] ?? 0 },
      listOffsetsApi,
      () => writeListOffsets(topic, numbers, listOffsetsAt[place], committedOnly),
      readListOffsets,
      signal,
    );
    for (const { partition, error, offset } of answers) {
      if (error === 0) ends.set(partition, offset);
      else cluster.forget(topic);
    }
  }
  return ends;
}

/** What a log holds, all records counted; the end is exclusive. */
export interface LogBounds {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * What the logs of some partitions hold, with two requests per broker and topic. What goes wrong
 * with one partition, or at one broker, stands in the answer and keeps nothing from the others.
 */
export async function lookUpBounds(
  cluster: Cluster,
  wanted: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<(LogBounds | Error)[]> {
  const leaders = await leadersOf(cluster, wanted, signal);
  const answers = new Array<LogBounds | Error>(wanted.length);
  const groups = Map.groupBy(wanted.keys(), (index) => {
    const leader = leaders[index];
    return typeof leader === "number" ? `${leader}/${wanted[index]?.topic ?? ""}` : "";
  });
  const jobs = [...groups].map(async ([key, indexes]) => {
    const places = indexes.flatMap((index) => wanted[index] ?? []);
    const bounds = key === "" ? [] : await boundsAt(cluster, places, signal);
    for (const [at, index] of indexes.entries()) {
      const leader = leaders[index];
      answers[index] = bounds[at] ?? (leader instanceof Error ? leader : new Error("no answer"));
    }
  });
  await Promise.all(jobs);
  return answers;
}

async function leadersOf(
  cluster: Cluster,
  wanted: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<(number | Error)[]> {
  const names = new Set(wanted.map(({ topic }) => topic));
  const topics = new Map<string, Map<number, number> | Error>(
    await Promise.all(
      [...names].map(async (name) => {
        const known = cluster.known(name) ?? (await cluster.topic(name, signal).catch(asError));
        if (known instanceof Error) return [name, known] as const;
        const leaders = known.partitions.map(
          ({ partition, leader }) => [partition, leader] as const,
        );
        return [name, new Map(leaders)] as const;
      }),
    ),
  );
  return wanted.map(({ topic, partition }) => {
    const leaders = topics.get(topic);
    if (!leaders || leaders instanceof Error) return leaders ?? new Error("no such topic");
    const leader = leaders.get(partition) ?? -1;
    if (leader >= 0) return leader;
    cluster.forget(topic);
    return brokerError(`find the leader of ${topic}-${partition}`, 5);
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Of partitions of one topic with one leader. */
async function boundsAt(
  cluster: Cluster,
  places: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<(LogBounds | Error)[]> {
  const [first] = places;
  if (!first) return [];
  const numbers = places.map(({ partition }) => partition);
  const list = (place: keyof typeof listOffsetsAt) =>
    cluster.askLeader(
      first,
      listOffsetsApi,
      () => writeListOffsets(first.topic, numbers, listOffsetsAt[place], false),
      readListOffsets,
      signal,
    );
  try {
    const [starts, ends] = await Promise.all([list("earliest"), list("latest")]);
    const [startOf, endOf] = [byPartition(starts), byPartition(ends)];
    return places.map((place) => {
      return boundsOf(cluster, place, startOf.get(place.partition), endOf.get(place.partition));
    });
  } catch (error) {
    return places.map(() => asError(error));
  }
}

function byPartition(listed: readonly ListedOffset[]): Map<number, ListedOffset> {
  return new Map(listed.map((entry) => [entry.partition, entry]));
}

function boundsOf(
  cluster: Cluster,
  { topic, partition }: TopicPartition,
  start: ListedOffset | undefined,
  end: ListedOffset | undefined,
): LogBounds | Error {
  if (start?.error === 0 && end?.error === 0) return { start: start.offset, end: end.offset };
  cluster.forget(topic);
  const code = start?.error || end?.error || -1;
  const need = { operation: "Read", name: topic } as const;
  return brokerError(`list the offsets of ${topic}-${partition}`, code, null, need);
}

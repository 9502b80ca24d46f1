import { MalformedError, POSITIONS_TOPIC } from "@hybridge/kafka/raw";
import { RunList } from "./run-list.ts";

// docs/positions.md describes what stands in the topic, so that others can read it.

/** Whose positions they are. The ids tell clusters and topics from others of the same names. */
export interface PositionScope {
  readonly mirrorId: string;
  readonly sourceClusterId: string;
  readonly sourceTopic: string;
  readonly sourceTopicId: string;
  readonly targetTopic: string;
  readonly targetTopicId: string;
  readonly partition: number;
}

/** The last batch that the target acknowledged: whether it still stands there tells of a loss. */
export interface LastBatch {
  /** Its first offset in the target. */
  readonly targetOffset: bigint;
  /** Its CRC-32C, as it was sent. */
  readonly crc: number;
}

/** An owner of the target partition. */
export interface Writer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Runs of records that are in the target, or source records that were put aside. */
export interface PositionEntry {
  readonly scope: PositionScope;
  /** The owner that wrote the entry; -1 when it is not known. */
  readonly writer: Writer;
  /** The runs; of dead letters, which have no target offsets, only those of the source count. */
  readonly runs: RunList;
  /** The source's leader epoch of the last record; -1 when it is not known. */
  readonly epoch: number;
  readonly isDeadLetter: boolean;
  readonly lastBatch?: LastBatch | undefined;
}

/** Begins a key; no topic can have this name, and version 1 had a topic's name here. */
const POSITION = "position:2";

/**
 * The key of an entry. The first four parts stand as in version 1, so that its readers take the
 * entry for one of a topic that they do not mirror, and leave it alone.
 */
export function positionKey(
  scope: PositionScope,
  sourceOffset: bigint,
  writerEpoch: number,
): string {
  const { mirrorId, sourceClusterId, sourceTopicId, targetTopicId, partition } = scope;
  if (isOfVersion1(scope))
    return `${scope.sourceTopic}/${partition}/${sourceOffset}/${writerEpoch}`;
  const whose = [mirrorId, sourceClusterId, sourceTopicId, targetTopicId].map((part) =>
    encodeURIComponent(part),
  );
  return [POSITION, partition, sourceOffset, writerEpoch, ...whose].join("/");
}

/** What is written for an entry. The epoch in the key keeps former owners from replacing it. */
export function encodePosition(entry: PositionEntry): { key: Buffer; value: Buffer } {
  const { scope, writer, runs, epoch, isDeadLetter, lastBatch } = entry;
  const { sourceTopic, targetTopic } = scope;
  const { encoded } = runs;
  const value = {
    sourceTopic,
    targetTopic,
    targetOffset: String(isDeadLetter ? -1n : runs.targetOffset),
    count: String(runs.count),
    ...(encoded.length === 0 ? {} : { runs: encoded.toString("base64") }),
    ...(epoch < 0 ? {} : { epoch }),
    ...(writer.producerId < 0n ? {} : { producerId: String(writer.producerId) }),
    ...(isDeadLetter ? { deadLetter: true } : {}),
    ...(lastBatch
      ? { lastBatch: { targetOffset: String(lastBatch.targetOffset), crc: lastBatch.crc } }
      : {}),
  };
  return {
    key: Buffer.from(positionKey(scope, runs.sourceOffset, writer.producerEpoch)),
    value: Buffer.from(JSON.stringify(value)),
  };
}

/** An entry of version 1 names neither the mirror nor the source cluster: both are empty. */
export function isOfVersion1({ mirrorId, sourceClusterId }: PositionScope): boolean {
  return mirrorId === "" && sourceClusterId === "";
}

/** @throws MalformedError when somebody else writes to the topic */
export function decodePosition(key: string, value: Buffer): PositionEntry {
  const parts = key.split("/");
  const [first = "", partition = "", sourceOffset = "", writerEpoch = "-1"] = parts;
  try {
    const fields = JSON.parse(value.toString()) as Record<string, unknown>;
    const text = (name: string) => String(fields[name]);
    const whose = parts.slice(4).map((part) => decodeURIComponent(part));
    const [mirrorId = "", sourceClusterId = "", sourceTopicId = "", targetTopicId = ""] = whose;
    const isNew = first === POSITION;
    const isDeadLetter = fields["deadLetter"] === true;
    const targetOffset = isDeadLetter ? 0n : BigInt(text("targetOffset"));
    const encoded = typeof fields["runs"] === "string" ? fields["runs"] : "";
    const place = { sourceOffset: BigInt(sourceOffset), targetOffset };
    return {
      scope: {
        mirrorId,
        sourceClusterId,
        sourceTopic: isNew ? text("sourceTopic") : first,
        sourceTopicId: isNew ? sourceTopicId : text("sourceTopicId"),
        targetTopic: text("targetTopic"),
        targetTopicId: isNew ? targetTopicId : text("targetTopicId"),
        partition: Number(partition),
      },
      writer: {
        producerId: typeof fields["producerId"] === "string" ? BigInt(fields["producerId"]) : -1n,
        producerEpoch: Number(writerEpoch),
      },
      runs: RunList.decode(place, BigInt(text("count")), Buffer.from(encoded, "base64")),
      epoch: typeof fields["epoch"] === "number" ? fields["epoch"] : -1,
      isDeadLetter,
      lastBatch: lastBatchOf(fields["lastBatch"]),
    };
  } catch (cause) {
    throw new MalformedError(
      `read the record ${JSON.stringify(key)} of ${POSITIONS_TOPIC}: it is no position; check who else writes to the topic`,
      { cause },
    );
  }
}

function lastBatchOf(value: unknown): LastBatch | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { targetOffset, crc } = value as Record<string, unknown>;
  return { targetOffset: BigInt(String(targetOffset)), crc: Number(crc) };
}

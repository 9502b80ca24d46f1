import { UnknownTopicError } from "@hybridge/kafka";
import {
  MirrorServiceService,
  type GetStatusResponse,
  type MirrorServiceServer,
  type PartitionStatus,
  type TranslateOffsetRequest,
  type TranslateOffsetResponse,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_service";
import { unary } from "@hybridge/rpc";
import type { Mirror } from "../mirror.ts";
import type { PartitionMirror } from "../partition.ts";

/** hybridge.mirror.v1.MirrorService over a running mirror. */
export function mirrorService(mirror: Mirror): {
  definition: typeof MirrorServiceService;
  implementation: MirrorServiceServer;
} {
  return {
    definition: MirrorServiceService,
    implementation: {
      getStatus: unary(async () => Promise.resolve(statusOf(mirror))),
      translateOffset: unary(async (request: TranslateOffsetRequest) =>
        Promise.resolve(translate(mirror, request)),
      ),
    },
  };
}

export function statusOf(mirror: Mirror): GetStatusResponse {
  return {
    ...mirror.state,
    ...mirror.totals,
    partitions: [...mirror.partitions.values()].map(partitionStatus),
  };
}

function partitionStatus(partition: PartitionMirror): PartitionStatus {
  const { sourceOffset, sourceEnd } = partition;
  const lag = sourceEnd > sourceOffset ? sourceEnd - sourceOffset : 0n;
  return {
    ...partition.route,
    sourceOffset,
    sourceEndOffset: sourceEnd,
    targetOffset: partition.targetOffset,
    lag,
    lagMs: BigInt(partition.lagMs),
    state: partition.state,
    reason: partition.reason,
    rate: partition.rate.rate(),
    deadLetters: partition.deadLetters,
  };
}

function translate(mirror: Mirror, request: TranslateOffsetRequest): TranslateOffsetResponse {
  const { sourceTopic, partition, sourceOffset } = request;
  const found = mirror.find(sourceTopic, partition);
  if (!found) {
    throw new UnknownTopicError(
      `translate offset ${sourceOffset} of ${sourceTopic}-${partition}: it is not mirrored here`,
    );
  }
  const { targetTopic } = found.route;
  // Beyond what is mirrored: the next record will stand where the target ends.
  const beyond = { targetOffset: found.targetOffset, exact: false };
  return { targetTopic, ...(found.translate(sourceOffset) ?? beyond) };
}

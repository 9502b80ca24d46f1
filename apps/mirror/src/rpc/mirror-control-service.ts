import { UnknownTopicError } from "@hybridge/kafka";
import type { Mirror, PartitionMirror, Selection } from "@hybridge/mirror";
import {
  MirrorControlServiceService,
  type GetStatusResponse,
  type MirrorControlServiceServer,
  type PartitionStatus,
  type PauseRequest,
  type ResumeRequest,
  type TranslateOffsetRequest,
  type TranslateOffsetResponse,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import { InvalidRequestError, unary } from "@hybridge/rpc";

/** hybridge.mirror.v1.MirrorControlService over a running mirror. */
export function mirrorControlService(mirror: Mirror): {
  definition: typeof MirrorControlServiceService;
  implementation: MirrorControlServiceServer;
} {
  return {
    definition: MirrorControlServiceService,
    implementation: {
      getStatus: unary(async () => Promise.resolve(statusOf(mirror))),
      translateOffset: unary(async (request: TranslateOffsetRequest) =>
        Promise.resolve(translate(mirror, request)),
      ),
      pause: unary(async (request: PauseRequest, { signal }) => {
        const selected = await mirror.pause(checked(request), signal);
        return { partitions: selected.map(partitionStatus) };
      }),
      resume: unary(async (request: ResumeRequest, { signal }) => {
        const selected = await mirror.resume(checked(request), signal);
        return { partitions: selected.map(partitionStatus) };
      }),
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
  return {
    ...partition.route,
    sourceOffset: partition.sourceOffset,
    sourceEndOffset: partition.sourceEnd,
    targetOffset: partition.targetOffset,
    lag: partition.lag,
    lagMs: BigInt(partition.lagMs),
    state: partition.state,
    reason: partition.reason,
    rate: partition.rate.rate(),
    deadLetters: partition.deadLetters,
  };
}

function checked(request: Selection): Selection {
  if (request.sourceTopic !== "" || request.partitions.length === 0) return request;
  throw new InvalidRequestError("partitions are named without source_topic: name the topic too");
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

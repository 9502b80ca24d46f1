import type { FeedSupervisor, StatusBoard } from "@hybridge/ingest";
import { unary } from "@hybridge/rpc";
import {
  IngestServiceService,
  type GetStatusRequest,
  type GetStatusResponse,
  type IngestServiceServer,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_service";

/** hybridge.ingest.v1.IngestService over the status board. */
export function ingestService(status: StatusBoard, feeds: FeedSupervisor, topic: string) {
  const implementation: IngestServiceServer = {
    getStatus: unary<GetStatusRequest, GetStatusResponse>(() => {
      const now = status.read();
      return Promise.resolve({
        state: now.state,
        reason: now.reason,
        source: sourcesOf(feeds),
        topic,
        acknowledged: BigInt(now.acknowledged),
        total: BigInt(now.total),
        deadLetters: BigInt(now.deadLetters),
        inFlight: BigInt(now.inFlight),
        rate: now.rate,
        posts: BigInt(now.read.posts),
        deletions: BigInt(now.read.deletions),
        duplicates: BigInt(now.read.duplicates),
        unreadable: BigInt(now.read.unreadable),
        others: Object.fromEntries(
          [...now.read.others].map(([name, count]) => [name, BigInt(count)]),
        ),
      });
    }),
  };
  return { definition: IngestServiceService, implementation };
}

function sourcesOf(feeds: FeedSupervisor): string {
  return [...new Set(feeds.feeds().map(({ source }) => source))].join(", ");
}

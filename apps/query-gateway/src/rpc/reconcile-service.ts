import {
  ReconcileServiceService,
  type ReconcileRequest,
  type ReconcileResponse,
  type ReconcileServiceServer,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import type { ReconcileTables, Reconciliation } from "@hybridge/query";
import { InvalidRequestError, unary, type Call } from "@hybridge/rpc";
import { reconcile, type ReconcileSources } from "../reconcile.ts";
import { limitsOf, type TimeLimit } from "./time-limit.ts";

export interface ReconcileServiceOptions {
  readonly sources: ReconcileSources;
  readonly time: TimeLimit;
  readonly topic: string;
  readonly tables: Pick<ReconcileTables, "hive" | "redshift" | "redshiftDeletions">;
}

const RANGE_SIZE = 10_000n;

export function reconcileService(options: ReconcileServiceOptions) {
  const implementation: ReconcileServiceServer = {
    reconcile: unary((request, call) => answerReconcile(request, call, options)),
  };
  return { definition: ReconcileServiceService, implementation };
}

async function answerReconcile(
  request: ReconcileRequest,
  call: Call,
  { sources, time, topic, tables }: ReconcileServiceOptions,
): Promise<ReconcileResponse> {
  const name = request.topic || topic;
  if (request.rangeSize > 2n ** 62n) throw new InvalidRequestError("range_size is above 2^62");
  const result = await reconcile(sources, {
    // The mirror gives topics the names that they have at the source.
    tables: { ...tables, sourceTopic: name, targetTopic: name },
    rangeSize: request.rangeSize || RANGE_SIZE,
    limits: limitsOf(call, time),
  });
  return responseOf(result);
}

function responseOf(result: Reconciliation): ReconcileResponse {
  return {
    reconciled: result.reconciled,
    internalRows: result.internalRows,
    externalRows: result.externalRows,
    ranges: BigInt(result.ranges),
    pendingRows: result.internalPending,
    externalPendingRows: result.externalPending,
    differences: result.differences.map((difference) => ({
      partition: difference.partition,
      firstOffset: difference.first,
      lastOffset: difference.last,
      internalRows: difference.internalRows,
      externalRows: difference.externalRows,
      internalChecksum: difference.internalChecksum,
      externalChecksum: difference.externalChecksum,
    })),
  };
}

import {
  ReconcileServiceService,
  Verdict as ProtoVerdict,
  type Lack as ProtoLack,
  type PartitionReport as ProtoPartitionReport,
  type ReconcileRequest,
  type ReconcileResponse,
  type ReconcileServiceServer,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import type {
  Lack,
  PartitionReport,
  ReconcileTables,
  Reconciliation,
  Verdict,
} from "@hybridge/query";
import { InvalidRequestError, unary, type Call } from "@hybridge/rpc";
import { reconcile } from "../reconcile.ts";
import type { ReconcileSources } from "../reconcile-states.ts";
import { limitsOf, type TimeLimit } from "./time-limit.ts";

export interface ReconcileServiceOptions {
  readonly sources: ReconcileSources;
  readonly time: TimeLimit;
  readonly topic: string;
  readonly tables: Pick<ReconcileTables, "hive" | "redshift" | "redshiftDeletions"> & {
    readonly redshiftRanges: string;
  };
}

const RANGE_SIZE = 10_000n;
/** Reasons in an answer: a person reads the first ones. */
const REASONS_MAX = 100;
/** The years that a statement writes with four digits. */
const SINCE_MS_MAX = Date.UTC(9999, 0, 1);

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
  const { result, takenAtMs } = await reconcile(sources, {
    tables: { ...tables, sourceTopic: name },
    rangeSize: request.rangeSize || RANGE_SIZE,
    sinceMs: sinceOf(request),
    limits: limitsOf(call, time),
  });
  return responseOf(result, takenAtMs);
}

function sinceOf({ sinceMs }: ReconcileRequest): number | undefined {
  if (sinceMs === 0n) return undefined;
  if (sinceMs > 0n && sinceMs < BigInt(SINCE_MS_MAX)) return Number(sinceMs);
  throw new InvalidRequestError("since_ms must be milliseconds since 1970, before the year 9999");
}

const VERDICTS: Readonly<Record<Verdict, ProtoVerdict>> = {
  equal: ProtoVerdict.EQUAL,
  different: ProtoVerdict.DIFFERENT,
  incomplete: ProtoVerdict.INCOMPLETE,
};

function responseOf(result: Reconciliation, takenAtMs: number): ReconcileResponse {
  const more = result.reasons.length - REASONS_MAX;
  return {
    reconciled: result.verdict === "equal",
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
    verdict: VERDICTS[result.verdict],
    comparedEqual: result.isComparedEqual,
    reasons: [
      ...result.reasons.slice(0, REASONS_MAX),
      ...(more > 0 ? [`and ${more} further reasons`] : []),
    ],
    takenAtMs: BigInt(takenAtMs),
    internalLack: protoLack(result.internalLack),
    externalLack: protoLack(result.externalLack),
    partitions: result.partitions.map(protoPartition),
  };
}

function protoLack({ records, isExact, sinceMs }: Lack): ProtoLack {
  return {
    records,
    exact: isExact,
    sinceMs: BigInt(sinceMs ?? 0),
    sinceKnown: sinceMs !== undefined,
  };
}

function protoPartition(report: PartitionReport): ProtoPartitionReport {
  const { state, compared } = report;
  const last = compared.runs.at(-1);
  return {
    partition: report.partition,
    verdict: VERDICTS[report.verdict],
    sourceKnown: state.source !== undefined,
    sourceStart: state.source?.start ?? 0n,
    sourceEnd: state.source?.end ?? 0n,
    sourceHighWatermark: state.source?.highWatermark ?? 0n,
    mirroredEnd: last === undefined ? 0n : last.sourceOffset + last.count,
    internalEnd: state.internalEnd,
    externalEnd: compared.externalEnd,
    externalTargetEnd: state.externalEnd,
    comparedFrom: compared.begin,
    comparedTo: compared.end,
    internalLack: protoLack(report.internalLack),
    externalLack: protoLack(report.externalLack),
    reasons: [...report.reasons],
  };
}

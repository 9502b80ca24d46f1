import { UnavailableError } from "@hybridge/core";
import {
  WarehouseControlService,
  type FlushRequest,
  type FlushResponse,
  type ListGapsRequest,
  type ListGapsResponse,
  type ListLoadsRequest,
  type ListLoadsResponse,
  type ListPartitionsRequest,
  type ListPartitionsResponse,
  type PauseRequest,
  type PauseResponse,
  type ResumeRequest,
  type ResumeResponse,
  type WarehouseControlServer,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_control";
import { unary } from "@hybridge/rpc";
import type { Warehouse } from "./warehouse.ts";
import type { View } from "./warehouse-service.ts";

/** hybridge.warehouse.v1.WarehouseControl over a warehouse. */
export function controlService(view: View) {
  const at = (): Warehouse => {
    const now = view();
    if (!("state" in now)) return now;
    throw new UnavailableError(
      `nothing is landed yet${now.reason === "" ? "" : `: ${now.reason}`}`,
    );
  };
  const implementation: WarehouseControlServer = {
    listPartitions: unary<ListPartitionsRequest, ListPartitionsResponse>(() => partitionsOf(at())),
    flush: unary<FlushRequest, FlushResponse>(async (_request, { signal }) => {
      const { engine, log } = at();
      await engine.flush(signal);
      return { commits: BigInt(log.state.tip) };
    }),
    pause: unary<PauseRequest, PauseResponse>(({ partitions }) => {
      const { engine } = at();
      return Promise.resolve({ partitions: [...engine.pause(chosen(engine, partitions))] });
    }),
    resume: unary<ResumeRequest, ResumeResponse>(({ partitions }) => {
      const { engine } = at();
      return Promise.resolve({ partitions: [...engine.resume(chosen(engine, partitions))] });
    }),
    listGaps: unary<ListGapsRequest, ListGapsResponse>(async (_request, { signal }) => {
      const { log } = at();
      await log.refresh(signal);
      return gapsOf(log);
    }),
    listLoads: unary<ListLoadsRequest, ListLoadsResponse>(() => Promise.resolve(loadsOf(at()))),
  };
  return { definition: WarehouseControlService, implementation };
}

/** Those that are named; all when none are. */
function chosen(engine: Warehouse["engine"], partitions: readonly number[]): readonly number[] {
  if (partitions.length > 0) return partitions;
  return engine.status().partitions.map(({ partition }) => partition);
}

async function partitionsOf(warehouse: Warehouse): Promise<ListPartitionsResponse> {
  const { engine, log, membership, visibility } = warehouse;
  await visibility.refresh();
  const { state, protocol } = membership.status();
  return {
    partitions: [...engine.status().partitions],
    membership: protocol === "fixed" ? "fixed" : state,
    commits: BigInt(log.state.tip),
    log: log.state.log,
  };
}

function gapsOf({ state }: Warehouse["log"]): ListGapsResponse {
  const gaps = state.recentGaps.map((gap) => ({
    topic: gap.topic,
    topicId: gap.topicId,
    partition: gap.partition,
    fromOffset: gap.from,
    toOffset: gap.to,
    why: gap.why,
    what: gap.what,
    commit: BigInt(gap.commit),
    atMs: BigInt(gap.at),
  }));
  return { gaps };
}

function loadsOf({ log, leader, visibility }: Warehouse): ListLoadsResponse {
  const status = leader.follower?.status;
  return {
    catalog: visibility.name,
    commit: BigInt(visibility.position?.number ?? -1),
    commits: BigInt(log.state.tip),
    leading: status !== undefined,
    reason: status?.reason ?? "",
    rows: BigInt(status?.rows ?? 0),
    loads: leader.steps.map(({ after, to, atMs }) => {
      return { afterCommit: BigInt(after), toCommit: BigInt(to), atMs: BigInt(atMs) };
    }),
  };
}

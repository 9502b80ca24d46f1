import {
  WarehouseServiceService,
  type GetStatusRequest,
  type GetStatusResponse,
  type WarehouseServiceServer,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { unary } from "@hybridge/rpc";
import type { Warehouse } from "./warehouse.ts";

/** A warehouse that does not land yet, and why. */
export interface Waiting {
  readonly state: "STARTING" | "DEGRADED";
  readonly reason: string;
}

export type View = () => Warehouse | Waiting;

/** hybridge.warehouse.v1.WarehouseService over a warehouse. */
export function warehouseService(side: string, topic: string, view: View) {
  const implementation: WarehouseServiceServer = {
    getStatus: unary<GetStatusRequest, GetStatusResponse>(async () => ({
      ...(await statusOf(view())),
      ...{ side, topic },
    })),
  };
  return { definition: WarehouseServiceService, implementation };
}

/** How it stands, with what its catalog says. */
export async function statusOf(
  now: Warehouse | Waiting,
): Promise<Omit<GetStatusResponse, "side" | "topic">> {
  if ("state" in now) {
    const none = { landed: 0n, queryable: 0n, files: 0n, bytes: 0n, deadLetters: 0n, rate: 0 };
    return { ...now, partitions: [], ...none };
  }
  await now.visibility.refresh();
  const status = now.engine.status();
  const problem = now.leader.follower?.status.reason ?? "";
  if (problem === "" || status.state === "STOPPING") {
    return { ...status, partitions: [...status.partitions] };
  }
  const reason = [status.reason, `catalog: ${problem}`].filter((each) => each !== "").join("; ");
  return { ...status, partitions: [...status.partitions], state: "DEGRADED", reason };
}

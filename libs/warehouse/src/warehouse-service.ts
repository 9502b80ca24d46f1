import type { LandingStatus } from "@hybridge/landing";
import {
  WarehouseServiceService,
  type GetStatusRequest,
  type GetStatusResponse,
  type WarehouseServiceServer,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { unary } from "@hybridge/rpc";

/** hybridge.warehouse.v1.WarehouseService over the status of a landing. */
export function warehouseService(side: string, topic: string, status: () => LandingStatus) {
  const implementation: WarehouseServiceServer = {
    getStatus: unary<GetStatusRequest, GetStatusResponse>(() =>
      Promise.resolve({ ...status(), side, topic }),
    ),
  };
  return { definition: WarehouseServiceService, implementation };
}

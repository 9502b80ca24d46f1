import { setting, type Config, type Settings } from "@hybridge/core";
import { segmentSettings } from "@hybridge/landing";
import { rpcSettings } from "@hybridge/rpc";
import { tracingSettings } from "@hybridge/tracing";

/** The settings that both warehouse services have; each adds those of its cluster and stores. */
export const warehouseSettings = {
  HYBRIDGE_TOPIC: { schema: setting.text("hybrid"), doc: "topic that is landed" },
  ...segmentSettings,
  HYBRIDGE_STAGING_DIR: {
    schema: setting.text(".hybridge/staging"),
    doc: "folder on local disk for files that are being written; each process needs its own",
  },
  ...rpcSettings,
  ...tracingSettings,
} as const satisfies Settings;

export type WarehouseConfig = Config<typeof warehouseSettings>;

import { readConfig, setting, type Config, type Settings } from "@hybridge/core";
import { clusterSettings } from "@hybridge/kafka";
import { redshiftSettings } from "@hybridge/redshift";
import { s3Settings } from "@hybridge/s3";
import { warehouseSettings } from "@hybridge/warehouse";
import { z } from "zod";

/** The settings of warehouse-external; docs/settings.md derives from them. */
export const settings = {
  ...clusterSettings("HYBRIDGE_TARGET", "the target cluster", "127.0.0.1:9192"),
  ...s3Settings,
  ...redshiftSettings,
  HYBRIDGE_REDSHIFT_IAM_ROLE: {
    schema: z
      .string()
      .regex(/^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, { error: "must be a role's ARN" })
      .optional(),
    doc: "ARN of the role that COPY reads the bucket with; the default role without it",
  },
  HYBRIDGE_LOAD_INTERVAL_MS: {
    schema: setting.integer(10, 3_600_000, 30_000),
    doc: "between two loads of landed files into Redshift",
  },
  ...warehouseSettings,
} as const satisfies Settings;

export type WarehouseExternalConfig = Config<typeof settings>;

/** @throws ConfigError with every problem at once */
export function readWarehouseExternalConfig(): WarehouseExternalConfig {
  return readConfig(settings, process.env);
}

import { readConfig, setting, type Config, type Settings } from "@hybridge/core";
import { clusterSettings } from "@hybridge/kafka";
import { warehouseSettings } from "@hybridge/warehouse";
import { z } from "zod";

/** The settings of warehouse-external; docs/settings.md derives from them. */
export const settings = {
  ...clusterSettings("HYBRIDGE_TARGET", "the target cluster", "127.0.0.1:9192"),
  HYBRIDGE_S3_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "URL of an object store other than AWS's; buckets are then addressed by path",
  },
  HYBRIDGE_S3_REGION: {
    schema: setting.text("us-east-1"),
    doc: "region of the bucket and of Redshift: COPY reads files of its own region",
  },
  HYBRIDGE_S3_BUCKET: {
    schema: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
        error: "must be a bucket name: 3 to 63 of a-z, 0-9, dot and dash",
      })
      .prefault("hybridge"),
    doc: "bucket that files land in; made when it is missing",
  },
  HYBRIDGE_S3_PREFIX: {
    schema: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, { error: "must be a path without slashes at its ends" })
      .optional(),
    doc: "folder in the bucket; the bucket's root without it",
  },
  HYBRIDGE_REDSHIFT_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "URL of a Redshift Data API other than AWS's own, such as the local endpoint",
  },
  HYBRIDGE_REDSHIFT_WORKGROUP: {
    schema: setting.text("hybridge"),
    doc: "Redshift Serverless workgroup; not looked at when a cluster is given",
  },
  HYBRIDGE_REDSHIFT_CLUSTER: {
    schema: setting.optional(),
    doc: "identifier of a provisioned Redshift cluster",
  },
  HYBRIDGE_REDSHIFT_DB_USER: {
    schema: setting.optional(),
    doc: "with a cluster: the database user to act as",
  },
  HYBRIDGE_REDSHIFT_DATABASE: {
    schema: setting.text("dev"),
    doc: "database of the table hybridge.tweets",
  },
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

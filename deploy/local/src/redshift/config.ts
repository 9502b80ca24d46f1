import { homedir } from "node:os";
import { join } from "node:path";
import { readConfig, setting, type Config } from "@hybridge/core";

/** Settings of the local Redshift Data API endpoint. */
export const redshiftSettings = {
  HYBRIDGE_REDSHIFT_HOST: {
    schema: setting.text("127.0.0.1"),
    doc: "Address to listen on. Requests are not authenticated: keep it local.",
  },
  HYBRIDGE_REDSHIFT_PORT: {
    schema: setting.port(0),
    doc: "Port to listen on; 0 takes a free one.",
  },
  HYBRIDGE_REDSHIFT_DIR: {
    schema: setting.text(join(homedir(), ".hybridge", "redshift")),
    doc: "Folder of the database, the statements and their results.",
  },
  HYBRIDGE_REDSHIFT_DATABASE: {
    schema: setting.text("dev"),
    doc: "Name of the one database.",
  },
  HYBRIDGE_LOCAL_REDSHIFT_POSTGRES_URL: {
    schema: setting.optional(),
    doc: "URL of a PostgreSQL 18, as a superuser, whose database is for this endpoint alone. Without it the endpoint starts one of its own.",
    secret: true,
  },
  HYBRIDGE_S3_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "URL of the object store that COPY reads, path style. Without it COPY fails.",
  },
  HYBRIDGE_S3_REGION: {
    schema: setting.text("us-east-1"),
    doc: "Region of the object store.",
  },
  HYBRIDGE_LOG_LEVEL: {
    schema: setting.oneOf(["debug", "info", "warn", "error"], "info"),
    doc: "Least level of the log lines, JSON on stderr.",
  },
} as const;

export type RedshiftConfig = Config<typeof redshiftSettings>;

export function readRedshiftConfig(): RedshiftConfig {
  return readConfig(redshiftSettings, process.env);
}

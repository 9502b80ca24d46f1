import { ConfigError, setting, type Config, type Settings } from "@hybridge/core";
import type { RedshiftOptions } from "./api.ts";
import { nameProblem, redshiftTables, tableNames, type TableNames } from "./names.ts";

/** Any name that Redshift takes: it is quoted wherever it stands. */
const nameSetting = (fallback: string) =>
  setting.text(fallback).refine((name) => nameProblem(name) === undefined, {
    error: (issue) => nameProblem(String(issue.input)) ?? "must be a name",
  });

/** How a service reaches Redshift: the same names in every service. */
export const redshiftSettings = {
  HYBRIDGE_REDSHIFT_ENDPOINT: {
    schema: setting.url().optional(),
    doc: "URL of a Redshift Data API other than AWS's own, such as the local endpoint",
  },
  HYBRIDGE_REDSHIFT_REGION: {
    schema: setting.optional(),
    doc: "region of Redshift; default: that of the bucket in warehouse-external (COPY reads files of its own region), us-east-1 in query-gateway",
  },
  HYBRIDGE_REDSHIFT_WORKGROUP: {
    schema: setting.optional(),
    doc: "Redshift Serverless workgroup; default: hybridge, unless a cluster is given",
  },
  HYBRIDGE_REDSHIFT_CLUSTER: {
    schema: setting.optional(),
    doc: "identifier of a provisioned Redshift cluster, instead of a workgroup",
  },
  HYBRIDGE_REDSHIFT_DB_USER: {
    schema: setting.optional(),
    doc: "with a cluster: the database user to act as (redshift:GetClusterCredentials); default: the IAM identity's own",
  },
  HYBRIDGE_REDSHIFT_SECRET_ARN: {
    schema: setting.optional().refine((arn) => arn === undefined || SECRET_ARN.test(arn), {
      error: "must be the ARN of a secret in Secrets Manager",
    }),
    doc: "ARN of the secret with user and password, instead of the IAM identity",
  },
  HYBRIDGE_REDSHIFT_DATABASE: {
    schema: setting.text("dev"),
    doc: "database of the tables",
  },
  HYBRIDGE_REDSHIFT_SCHEMA: {
    schema: nameSetting("hybridge"),
    doc: "schema of the tables; made when it is missing and the user may make it",
  },
  HYBRIDGE_REDSHIFT_TABLE: {
    schema: nameSetting("tweets"),
    doc: "table of posts; NAME_loads, NAME_deletions and NAME_load_lock are beside it",
  },
} as const satisfies Settings;

const SECRET_ARN = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+$/;

export type RedshiftConfig = Config<typeof redshiftSettings>;

/**
 * What the settings say, for openRedshift.
 *
 * @throws ConfigError with every combination that the Data API would refuse
 */
export function redshiftOptions(config: RedshiftConfig, region: string): RedshiftOptions {
  const workgroup = config.HYBRIDGE_REDSHIFT_WORKGROUP;
  const cluster = config.HYBRIDGE_REDSHIFT_CLUSTER;
  const dbUser = config.HYBRIDGE_REDSHIFT_DB_USER;
  const secretArn = config.HYBRIDGE_REDSHIFT_SECRET_ARN;
  const endpoint = config.HYBRIDGE_REDSHIFT_ENDPOINT;
  const problems: string[] = [];
  if (workgroup !== undefined && cluster !== undefined) {
    problems.push("HYBRIDGE_REDSHIFT_WORKGROUP and HYBRIDGE_REDSHIFT_CLUSTER: give one of the two");
  }
  if (dbUser !== undefined && cluster === undefined) {
    problems.push(
      "HYBRIDGE_REDSHIFT_DB_USER is for a cluster: a workgroup takes the IAM identity, or a secret",
    );
  }
  if (dbUser !== undefined && secretArn !== undefined) {
    problems.push(
      "HYBRIDGE_REDSHIFT_DB_USER and HYBRIDGE_REDSHIFT_SECRET_ARN: the secret names a user already",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return {
    region: config.HYBRIDGE_REDSHIFT_REGION ?? region,
    database: config.HYBRIDGE_REDSHIFT_DATABASE,
    ...(cluster === undefined ? { workgroup: workgroup ?? "hybridge" } : { cluster }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(dbUser === undefined ? {} : { dbUser }),
    ...(secretArn === undefined ? {} : { secretArn }),
  };
}

/** The names of schema and table. @throws ConfigError when a name that derives is too long */
export function redshiftNames(config: RedshiftConfig): TableNames {
  const names = {
    schema: config.HYBRIDGE_REDSHIFT_SCHEMA,
    table: config.HYBRIDGE_REDSHIFT_TABLE,
  };
  tableNames(names);
  redshiftTables(names);
  return names;
}

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitCode, readConfig } from "@hybridge/core";
import { flushEncoder } from "@hybridge/parquet";
import {
  checkRedshift,
  openRedshift,
  redshiftOptions,
  redshiftSettings,
  type CheckResult,
} from "@hybridge/redshift";
import { ensureBucket, openS3, s3Folder, s3Options, s3Settings, s3TableStore } from "@hybridge/s3";
import { Command } from "commander";

interface CheckArguments {
  readonly bucket: string;
  readonly region: string;
  readonly workgroup?: string;
  readonly cluster?: string;
  readonly secretArn?: string;
  readonly dbUser?: string;
  readonly database?: string;
  readonly schema?: string;
  readonly iamRole?: string;
  readonly endpoint?: string;
  readonly s3Endpoint?: string;
  readonly kmsKeyId?: string;
}

const EXAMPLES = `
Credentials come from the AWS SDK's usual places (AWS_ACCESS_KEY_ID, AWS_PROFILE, the machine's role):
they should be those that the service will have. docs/redshift.md lists the grants and the policy.

Examples:
  npm run redshift:check -- --workgroup posts --bucket my-landing --region eu-west-1
  npm run redshift:check -- --cluster dwh --db-user loader --database prod --bucket my-landing \\
      --schema staging --iam-role arn:aws:iam::123456789012:role/copy
  npm run redshift:check -- --endpoint http://127.0.0.1:25439 --s3-endpoint http://127.0.0.1:29090 \\
      --workgroup local --bucket check      (against \`hybridge local up\`)

Exit code: 0 when everything passed, 1 when something failed, 2 for wrong arguments.
`;

/**
 * `hybridge redshift check`: tries all that the loader and the gateway need of a real warehouse.
 *
 * @param signal aborted when the user wants to end
 * @param done told the exit code
 */
export function redshiftCommand(signal: AbortSignal, done: (code: number) => void): Command {
  const check = new Command("check")
    .summary("run the whole loader against a warehouse and say what fails")
    .description(
      "Lands 30 posts in the bucket, loads them into tables of its own, deletes one, compares what is " +
        "there, and tries a time limit and a cancellation; by the code of the services. It drops its " +
        "tables at the end. Each line says what passed or failed, and what to do.",
    )
    .option("--workgroup <name>", "Redshift Serverless workgroup")
    .option("--cluster <id>", "provisioned cluster, instead of a workgroup")
    .option("--secret-arn <arn>", "secret with user and password; default: the IAM identity")
    .option("--db-user <name>", "with a cluster: the database user to act as")
    .option("--database <name>", "database (default: dev)")
    .option("--schema <name>", "schema to work in, which stays; default: a new one, dropped after")
    .requiredOption("--bucket <name>", "bucket that posts are landed in")
    .option("--region <name>", "region of Redshift and of the bucket", "us-east-1")
    .option("--iam-role <arn>", "role that COPY reads the bucket with; default: the default role")
    .option("--kms-key-id <id>", "write the objects with SSE-KMS under this key")
    .option("--endpoint <url>", "a Data API other than AWS's own")
    .option("--s3-endpoint <url>", "an object store other than AWS's own")
    .addHelpText("after", EXAMPLES)
    .action(async (given: CheckArguments) => {
      done(await runCheck(given, signal));
    });
  return new Command("redshift").summary("Redshift as the services use it").addCommand(check);
}

async function runCheck(given: CheckArguments, signal: AbortSignal): Promise<number> {
  const settings = { ...redshiftSettings, ...s3Settings };
  // The same rules for the same values, wherever they come from.
  const config = readConfig(settings, environmentOf(given));
  const folder = {
    ...s3Folder(config),
    prefix: `hybridge-check/${randomBytes(4).toString("hex")}`,
  };
  const directory = await mkdtemp(join(tmpdir(), "hybridge-check-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const redshift = stack.use(openRedshift(redshiftOptions(config, given.region)));
  const s3 = stack.use(openS3(s3Options(config)));
  const encoder = stack.use(
    await flushEncoder({ stagingDirectory: directory, compression: "snappy", split: true }),
  );
  process.stdout.write(`${redshift.address}, s3://${folder.bucket}/${folder.prefix}\n`);
  const store = s3TableStore(s3, folder);
  const passed = await checkRedshift({
    redshift,
    // A bucket that is missing is made, as the service does.
    store: {
      ...store,
      async create(path, bytes, call) {
        await ensureBucket(s3, folder.bucket, call);
        return store.create(path, bytes, call);
      },
    },
    encoder,
    signal,
    report: (result) => void process.stdout.write(renderCheck(result)),
    ...(given.iamRole === undefined ? {} : { iamRole: given.iamRole }),
    ...(given.schema === undefined ? {} : { schema: given.schema }),
  });
  const verdict = passed ? "everything passed" : "not everything passed";
  process.stdout.write(
    `${verdict}; a few small objects stay below s3://${folder.bucket}/${folder.prefix}\n`,
  );
  return passed ? exitCode.ok : exitCode.failed;
}

/** One line for what was tried; two more when it failed. */
export function renderCheck({ name, outcome, reason, remedy }: CheckResult): string {
  const mark = { passed: "ok    ", failed: "FAILED", skipped: "-     " }[outcome];
  const lines = [`${mark}  ${name}${outcome === "skipped" ? ` (not tried: ${reason})` : ""}`];
  if (outcome === "failed") lines.push(`        came back: ${reason}`, `        to do: ${remedy}`);
  return `${lines.join("\n")}\n`;
}

function environmentOf(given: CheckArguments): Record<string, string | undefined> {
  return {
    HYBRIDGE_REDSHIFT_ENDPOINT: given.endpoint,
    HYBRIDGE_REDSHIFT_REGION: given.region,
    HYBRIDGE_REDSHIFT_WORKGROUP: given.workgroup,
    HYBRIDGE_REDSHIFT_CLUSTER: given.cluster,
    HYBRIDGE_REDSHIFT_DB_USER: given.dbUser,
    HYBRIDGE_REDSHIFT_SECRET_ARN: given.secretArn,
    HYBRIDGE_REDSHIFT_DATABASE: given.database,
    HYBRIDGE_REDSHIFT_SCHEMA: given.schema,
    HYBRIDGE_S3_ENDPOINT: given.s3Endpoint,
    HYBRIDGE_S3_REGION: given.region,
    HYBRIDGE_S3_BUCKET: given.bucket,
    HYBRIDGE_S3_SSE: given.kmsKeyId === undefined ? undefined : "aws:kms",
    HYBRIDGE_S3_KMS_KEY_ID: given.kmsKeyId,
  };
}

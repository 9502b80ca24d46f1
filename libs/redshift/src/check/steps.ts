import { hash } from "node:crypto";
import { InvariantError } from "@hybridge/core";
import { RedshiftTimeoutError, StatementEndedError } from "../errors.ts";
import { failedExpectation, loadSql } from "../loads/load-sql.ts";
import { redshiftFollower } from "../loads/redshift-follower.ts";
import { redshiftTables, type TableNames } from "../names.ts";
import { CHECK_POSTS, checkPosts, type CheckLog } from "./check-log.ts";
import type { CheckOptions } from "./check.ts";
import { checksumsSql, countsSql, endlessSql, readTexts } from "./scratch.ts";

export interface CheckWorld extends CheckOptions {
  readonly names: TableNames;
  /** A topic that only this check has. */
  readonly topic: string;
  readonly log: CheckLog;
}

export interface Check {
  readonly name: string;
  /** What to look at when it fails. */
  readonly remedy: string;
  run(world: CheckWorld): Promise<void>;
}

/** A limit that is reached, and the time after which a limit that was not kept is missed. */
const LIMIT_MS = 2_000;
const PATIENCE_MS = 30_000;

/** In the order in which one needs the other. */
export const CHECKS: readonly Check[] = [
  {
    name: "reach the Data API and the database",
    remedy:
      "check the names of workgroup or cluster and of the database, the region, and the policy's redshift-data actions; with a workgroup redshift-serverless:GetCredentials",
    async run({ redshift, signal }) {
      expect("rows", await readTexts(redshift, `SELECT 1 AS "one"`, {}, signal), [["1"]]);
    },
  },
  {
    name: "write objects to the bucket, read, list and remove them",
    remedy:
      "check the bucket's name and region, s3:ListBucket on it, s3:GetObject, s3:PutObject and s3:DeleteObject on its objects, and the rights on the KMS key",
    async run({ store, topic, signal }) {
      const bytes = Buffer.from("hybridge\n");
      await store.create(`_checks/${topic}`, bytes, signal);
      const found = await store.read(`_checks/${topic}`, signal);
      expect("bytes", found?.toString(), bytes.toString());
      await store.remove([`_checks/${topic}`], signal);
      expect("objects", (await store.list("_checks", "", signal)).names, []);
    },
  },
  {
    name: "create the tables",
    remedy:
      "grant CREATE on the database, or name a schema with --schema on which the user has USAGE and CREATE",
    run: (world) => followerOf(world).prepare(world.signal),
  },
  {
    name: "land posts in the bucket and load them by COPY",
    remedy:
      "check that the role is attached to the workgroup or cluster (or is its default), may read the bucket and use its key, and that bucket and Redshift are in one region",
    async run(world) {
      await world.log.land(0, world.signal);
      await followerOf(world).follow(world.log.after(0), world.signal);
      await expectCounts(world, CHECK_POSTS, 0);
    },
  },
  {
    name: "read back what was loaded, to the byte",
    remedy: "report it with the values above: a column does not hold what COPY was given",
    async run({ redshift, names, topic, signal }) {
      const rows = await readTexts(redshift, checksumsSql(names), { topic }, signal);
      const wanted = checkPosts().map(({ id, json }) => [id, hash("md5", json, "hex")]);
      expect("rows", rows, wanted);
    },
  },
  {
    name: "refuse a load that comes late",
    remedy: "report it: a load of a dead process and that of its successor could both be committed",
    async run({ redshift, names, log, signal }) {
      const late = { log: log.uuid, from: undefined, to: 1, staged: [], ranges: [] };
      const sqls = loadSql(names, late, "default");
      const error = await failureOf(redshift.transaction(sqls, { signal }));
      const isLate =
        error instanceof StatementEndedError && failedExpectation(error.sql) === "position";
      if (!isLate) throw error;
    },
  },
  {
    name: "delete a post by a deletion from another partition",
    remedy: "check DELETE on the table of posts; else report it",
    async run(world) {
      await world.log.land(1, world.signal);
      await followerOf(world).follow(world.log.after(1), world.signal);
      await expectCounts(world, CHECK_POSTS - 1, 1);
    },
  },
  {
    name: "end a statement at its time limit",
    remedy: "statement_timeout has no effect: a query of a gateway that dies would run for a day",
    async run({ redshift, names, signal }) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
      const running = redshift.execute(endlessSql(names), { signal: limit, timeoutMs: LIMIT_MS });
      const error = await failureOf(running);
      if (!(error instanceof RedshiftTimeoutError)) throw error;
    },
  },
  {
    name: "cancel a statement",
    remedy: "check redshift-data:CancelStatement for the statements of this identity",
    async run({ redshift, names, signal }) {
      const { lock } = redshiftTables(names);
      const leaving = new AbortController();
      const left = redshift.transaction([`LOCK ${lock}`, endlessSql(names)], {
        signal: AbortSignal.any([signal, leaving.signal]),
        onStarted: () => setTimeout(() => leaving.abort(), LIMIT_MS).unref(),
      });
      await failureOf(left);
      signal.throwIfAborted();
      // The lock is free only when the engine has ended it.
      const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
      await redshift.transaction([`LOCK ${lock}`], { signal: limit });
    },
  },
];

function followerOf({ redshift, store, names, iamRole }: CheckWorld) {
  const cadence = { minMs: 0, maxMs: 0 };
  return redshiftFollower({ redshift, store, ...names, cadence, ...(iamRole ? { iamRole } : {}) });
}

async function expectCounts({ redshift, names, signal }: CheckWorld, posts: number, gone: number) {
  const rows = await readTexts(redshift, countsSql(names), {}, signal);
  expect("posts and deletions", rows, [[String(posts), String(gone)]]);
}

function expect(what: string, found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a === b) return;
  throw new InvariantError(
    `${what}: ${a.slice(0, 300)} came back where ${b.slice(0, 300)} was wanted`,
  );
}

/** The error that a call is to end with. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return new InvariantError("it succeeded, and should not have");
}

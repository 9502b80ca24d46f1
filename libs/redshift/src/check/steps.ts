import { hash } from "node:crypto";
import { InvariantError } from "@hybridge/core";
import type { Cut, LandingRecord, LedgerEntry } from "@hybridge/landing";
import { postAt } from "@hybridge/tweet";
import { redshiftCatalog } from "../catalog.ts";
import { RedshiftTimeoutError, StatementEndedError } from "../errors.ts";
import { isUnexpectedEnd, loadSegments } from "../load-sql.ts";
import { redshiftTables, type TableNames } from "../names.ts";
import type { CheckOptions } from "./check.ts";
import { checksumsSql, countsSql, endlessSql, readTexts } from "./scratch.ts";

export interface CheckWorld extends CheckOptions {
  readonly names: TableNames;
  /** A topic that only this check has. */
  readonly topic: string;
}

export interface Check {
  readonly name: string;
  /** What to look at when it fails. */
  readonly remedy: string;
  run(world: CheckWorld): Promise<void>;
}

const POSTS = 30;
const EPOCH_MS = Date.UTC(2026, 10, 23, 9);
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
    name: "write objects to the bucket and read them",
    remedy:
      "check the bucket's name and region, s3:ListBucket on it, s3:GetObject and s3:PutObject on its objects, and the rights on the KMS key",
    async run({ blobs, topic, signal }) {
      const bytes = Buffer.from("hybridge\n");
      await blobs.create(`_checks/${topic}`, bytes, signal);
      const found = await blobs.read(`_checks/${topic}`, signal);
      expect("bytes", found?.toString(), bytes.toString());
    },
  },
  {
    name: "create the tables",
    remedy:
      "grant CREATE on the database, or name a schema with --schema on which the user has USAGE and CREATE",
    run: (world) => catalogOf(world).prepare(world.signal),
  },
  {
    name: "land posts in the bucket and load them by COPY",
    remedy:
      "check that the role is attached to the workgroup or cluster (or is its default), may read the bucket and use its key, and that bucket and Redshift are in one region",
    async run(world) {
      await catalogOf(world).register([await land(world, 0)], world.signal);
      await expectCounts(world, POSTS, 0);
    },
  },
  {
    name: "read back what was loaded, to the byte",
    remedy: "report it with the values above: a column does not hold what COPY was given",
    async run({ redshift, names, topic, signal }) {
      const rows = await readTexts(redshift, checksumsSql(names), { topic }, signal);
      const posts = Array.from({ length: POSTS }, (_, index) => postOf(index));
      const wanted = posts.map(({ id, json }) => [id, hash("md5", json, "hex")]);
      expect("rows", rows, wanted);
    },
  },
  {
    name: "load the same again without a change",
    remedy: "report it: the ledger does not keep a load from being repeated",
    async run(world) {
      await catalogOf(world).register([await land(world, 0)], world.signal);
      await expectCounts(world, POSTS, 0);
    },
  },
  {
    name: "refuse a load that comes late",
    remedy: "report it: a load of a dead process and that of its successor could both be committed",
    async run(world) {
      const { redshift, names, topic, signal } = world;
      const expected = [{ topic, partition: 0, lastOffset: undefined }];
      const sqls = loadSegments(names, [await land(world, 0)], expected, undefined, "default");
      const error = await failureOf(redshift.transaction(sqls, { signal }));
      if (!(error instanceof StatementEndedError && isUnexpectedEnd(error.sql))) throw error;
    },
  },
  {
    name: "delete a post by a deletion from another partition",
    remedy: "check DELETE on the table of posts; else report it",
    async run(world) {
      await catalogOf(world).register([await land(world, 1)], world.signal);
      await expectCounts(world, POSTS - 1, 1);
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

function catalogOf({ redshift, blobs, names, iamRole }: CheckWorld) {
  return redshiftCatalog({ redshift, blobs, ...names, ...(iamRole ? { iamRole } : {}) });
}

/** Partition 0 has the posts, partition 1 the deletion of the first one. */
async function land(world: CheckWorld, partition: number): Promise<LedgerEntry> {
  const { store, encoder, topic, signal } = world;
  const records = partition === 0 ? Array.from({ length: POSTS }, postRecord) : [deletionRecord()];
  const last = BigInt(records.length - 1);
  const cut: Cut = {
    topic,
    partition,
    first: 0n,
    last,
    decidedAtMs: EPOCH_MS,
    schema: encoder.schema,
  };
  await using segment = await encoder.encode(cut, records, signal);
  const files = [];
  for (const file of segment.files) files.push(await store.publish(file, signal));
  return { cut, files, rows: records.length, deadLetters: segment.deadLetters.length };
}

const postOf = (index: number) => postAt(1, index, EPOCH_MS);

function postRecord(_: unknown, index: number): LandingRecord {
  const { id, json, schema } = postOf(index);
  return record(BigInt(index), id, json, [["hybridge-schema", Buffer.from(schema)]]);
}

function deletionRecord(): LandingRecord {
  const { id } = postOf(0);
  const json = JSON.stringify({ delete: { tweet: { id }, event_at: "2026-11-23T10:00:00.000Z" } });
  const headers: LandingRecord["headers"] = [
    ["hybridge-schema", Buffer.from("x.v2")],
    ["hybridge-op", Buffer.from("delete")],
  ];
  return { ...record(0n, id, json, headers), timestampMs: EPOCH_MS + 3_600_000 };
}

function record(
  offset: bigint,
  id: string,
  json: string,
  headers: LandingRecord["headers"],
): LandingRecord {
  const timestampMs = EPOCH_MS + Number(offset);
  return { offset, timestampMs, key: Buffer.from(id), value: Buffer.from(json), headers };
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

import { createHash, randomUUID } from "node:crypto";
import { failpoint, InvariantError, retryOf } from "@hybridge/core";
import type { BlobStore, Catalog, LedgerEntry, TopicPartition } from "@hybridge/landing";
import type { Redshift } from "./api.ts";
import {
  addDeletionTimestamp,
  describeDeletions,
  describePosts,
  missingColumns,
  selectObjects,
  wantedObjects,
} from "./create-sql.ts";
import { RedshiftSchemaError, StatementEndedError } from "./errors.ts";
import {
  distinctEntries,
  isUnexpectedEnd,
  loadSegments,
  selectPosition,
  selectPositions,
  splitLoads,
  type ExpectedEnd,
} from "./load-sql.ts";
import { readRows } from "./loads/read-rows.ts";
import { writeManifest } from "./manifest.ts";
import { redshiftTables, type TableNames } from "./names.ts";

export interface RedshiftCatalogOptions {
  readonly redshift: Redshift;
  /**
   * Where the manifests of loads are written; the store that the landed files are in. Without it
   * the catalog only tells positions.
   */
  readonly blobs?: BlobStore;
  /** ARN of the role that COPY reads S3 with; default: the one attached as default. */
  readonly iamRole?: string;
  /** Default: hybridge. */
  readonly schema?: string;
  /** Default: tweets. `<table>_loads`, `<table>_deletions` and `<table>_load_lock` are beside it. */
  readonly table?: string;
}

/** Tries of one load that may all have met a ledger which another process had moved. */
const MOVED_MAX = 20;

/**
 * Makes files in S3 visible as rows of the Redshift table of posts, by one transaction per load:
 * lock, position, staging table, COPY by manifest, deletions, MERGE by coordinates, ledger rows.
 *
 * The token of a transaction follows from its content, so that a process that lost an answer, or was
 * started anew, finds the load that is under way. Where it does not find it (the content differs, 8
 * hours have passed), the lock and the position keep the two apart.
 *
 * @throws ConfigError when schema or table cannot be the name of one
 */
export function redshiftCatalog(options: RedshiftCatalogOptions): Catalog {
  const { redshift, blobs, iamRole = "default" } = options;
  const names = { schema: options.schema ?? "hybridge", table: options.table ?? "tweets" };
  redshiftTables(names);
  const run = loadRunner(redshift);
  /** Where the ledger ends, as this process knows it; by topic, then by partition. */
  const ends = new Map<string, Map<number, bigint>>();

  async function endsOf(topic: string, signal: AbortSignal): Promise<Map<number, bigint>> {
    const known = ends.get(topic);
    if (known) return known;
    const found = await readEnds(redshift, names, topic, signal);
    ends.set(topic, found);
    return found;
  }

  async function load(entries: readonly LedgerEntry[], signal: AbortSignal): Promise<void> {
    if (blobs === undefined) throw new InvariantError("a catalog without blobs loads nothing");
    const manifest = await writeManifest(blobs, entries, signal);
    for (let moved = 0; ; moved += 1) {
      const expected = await expectedEnds(entries, (topic) => endsOf(topic, signal));
      failpoint("redshift.before-load");
      try {
        await run(loadSegments(names, entries, expected, manifest, iamRole), signal);
        break;
      } catch (error) {
        // What became of the load is not known: neither is where the ledger ends.
        ends.clear();
        const isMoved = error instanceof StatementEndedError && isUnexpectedEnd(error.sql);
        if (!isMoved || moved >= MOVED_MAX) throw error;
      }
    }
    for (const { cut } of entries) raise(ends.get(cut.topic), cut.partition, cut.last);
    failpoint("redshift.after-load");
  }

  return {
    prepare: (signal) => prepare(redshift, names, signal),
    async position({ topic, partition }, signal) {
      const parameters = { topic, partition };
      const [row] = await readRows(redshift, selectPosition(names), signal, parameters);
      const last = row?.[0];
      return typeof last === "bigint" ? last + 1n : undefined;
    },
    async register(entries, signal) {
      for (const part of splitLoads(distinctEntries(entries))) await load(part, signal);
    },
  };
}

/**
 * Runs loads by tokens that follow from their content. A token answers for 8 hours, with a failure
 * too: the failure may be another process's, of a time when its cause still was there. So the first
 * is followed by a try under a token of its own, whose failure is news.
 */
function loadRunner(redshift: Redshift) {
  let last = { load: "", token: "", fresh: false };
  return async function run(sqls: readonly string[], signal: AbortSignal): Promise<void> {
    const load = createHash("sha256").update(JSON.stringify(sqls)).digest("hex");
    if (last.load !== load) last = { load, token: load, fresh: false };
    for (;;) {
      const { token, fresh } = last;
      const onStarted = () => failpoint("redshift.during-load");
      try {
        await redshift.transaction(sqls, { signal, token, onStarted });
        return;
      } catch (error) {
        if (!(error instanceof StatementEndedError)) throw error;
        last = { load, token: randomUUID(), fresh: true };
        if (fresh) throw error;
      }
    }
  };
}

/** Creates what is missing; whoever may only use what is there needs no right to create. */
async function prepare(redshift: Redshift, names: TableNames, signal: AbortSignal): Promise<void> {
  const missing = await missingObjects(redshift, names, signal);
  if (missing.length > 0) {
    const sqls = missing.map(({ sql }) => sql);
    await redshift.transaction(sqls, { signal }).catch(async (error: unknown) => {
      // Another process may have been faster, which fails ours.
      const left = await missingObjects(redshift, names, signal);
      if (left.length > 0) throw cannotCreate(redshift, left, names, error);
    });
  }
  await checkPosts(redshift, names, signal);
  const { columns } = await redshift.execute(describeDeletions(names), { signal });
  if (columns.some(({ name }) => name === "kafka_timestamp")) return;
  await redshift.execute(addDeletionTimestamp(names), { signal });
}

type Missing = ReturnType<typeof wantedObjects>;

async function missingObjects(
  redshift: Redshift,
  names: TableNames,
  signal: AbortSignal,
): Promise<Missing> {
  const rows = await readRows(redshift, selectObjects(names), signal);
  const found = new Set(rows.map(([kind, name]) => `${String(kind)} ${String(name)}`));
  return wantedObjects(names).filter(({ kind, name }) => !found.has(`${kind} ${name}`));
}

function cannotCreate(
  redshift: Redshift,
  missing: Missing,
  { schema }: TableNames,
  cause: unknown,
): unknown {
  if (retryOf(cause) !== "never") return cause;
  const list = missing.map(({ kind, name }) => `${kind} ${name}`).join(", ");
  return new RedshiftSchemaError(
    `${redshift.address}: missing, or not to be seen by this user, and not to be created by it: ` +
      `${list}. Grant USAGE on the schema ${schema} and the rights on its tables, or CREATE on it ` +
      "(on the database where the schema is missing), or let its owner create them; docs/redshift.md has both",
    { cause },
  );
}

async function checkPosts(redshift: Redshift, names: TableNames, signal: AbortSignal) {
  const { columns } = await redshift.execute(describePosts(names), { signal });
  const missing = missingColumns(columns.map(({ name }) => name));
  if (missing.length === 0) return;
  throw new RedshiftSchemaError(
    `${redshift.address}: table ${names.schema}.${names.table} lacks the columns ` +
      `${missing.join(", ")}. Add them with ALTER TABLE, or load into another table.`,
  );
}

async function readEnds(
  redshift: Redshift,
  names: TableNames,
  topic: string,
  signal: AbortSignal,
): Promise<Map<number, bigint>> {
  const found = new Map<number, bigint>();
  for (const [partition, last] of await readRows(redshift, selectPositions(names), signal, {
    topic,
  })) {
    if (typeof last === "bigint") found.set(Number(partition), last);
  }
  return found;
}

async function expectedEnds(
  entries: readonly LedgerEntry[],
  endsOf: (topic: string) => Promise<ReadonlyMap<number, bigint>>,
): Promise<ExpectedEnd[]> {
  const partitions = new Map<string, TopicPartition>();
  for (const { cut } of entries) partitions.set(`${cut.topic}/${cut.partition}`, cut);
  const expected: ExpectedEnd[] = [];
  for (const { topic, partition } of partitions.values()) {
    expected.push({ topic, partition, lastOffset: (await endsOf(topic)).get(partition) });
  }
  return expected;
}

function raise(ends: Map<number, bigint> | undefined, partition: number, last: bigint): void {
  const before = ends?.get(partition);
  if (before === undefined || before < last) ends?.set(partition, last);
}

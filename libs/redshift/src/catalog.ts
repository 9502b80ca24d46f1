import { createHash } from "node:crypto";
import { ConfigError, failpoint } from "@hybridge/core";
import type { BlobStore, Catalog, LedgerEntry } from "@hybridge/landing";
import type { Redshift } from "./api.ts";
import { RedshiftSchemaError, StatementEndedError } from "./errors.ts";
import {
  createTables,
  describePosts,
  distinctEntries,
  loadSegments,
  missingColumns,
  selectPosition,
  type Tables,
} from "./load-sql.ts";
import { writeManifest } from "./manifest.ts";

export interface RedshiftCatalogOptions {
  readonly redshift: Redshift;
  /** Where the manifests of loads are written; the store that the landed files are in. */
  readonly blobs: BlobStore;
  /** ARN of the role that COPY reads S3 with; default: the one attached as default. */
  readonly iamRole?: string;
  /** Default: hybridge. */
  readonly schema?: string;
  /** Default: tweets. The ledger `<table>_loads` and `<table>_deletions` are beside it. */
  readonly table?: string;
}

/** Tries of one load that may all have been another process's. */
const TRIES_MAX = 100;

/**
 * Makes files in S3 visible as rows of the Redshift table of posts, by one transaction per
 * registration: staging table, COPY by manifest, MERGE by coordinates, ledger rows. A transaction
 * carries a token that follows from its content, so that a process that lost an answer, or was
 * started anew, finds the load that is under way instead of starting a second one.
 *
 * @throws ConfigError when schema or table is not a plain lower-case name
 */
export function redshiftCatalog(options: RedshiftCatalogOptions): Catalog {
  const { redshift, blobs, iamRole = "default" } = options;
  const tables = {
    schema: plain(options.schema ?? "hybridge"),
    posts: plain(options.table ?? "tweets"),
  };
  const openedAtMs = Date.now();
  /** How many tries of a load have failed: their tokens answer with the failure for 8 hours. */
  let last = { load: "", failed: 0 };

  async function run(sqls: readonly string[], signal: AbortSignal): Promise<void> {
    const load = createHash("sha256").update(JSON.stringify(sqls)).digest("hex");
    if (last.load !== load) last = { load, failed: 0 };
    for (;;) {
      const token = createHash("sha256").update(`${load} ${last.failed}`).digest("hex");
      try {
        await redshift.transaction(sqls, { signal, token });
        return;
      } catch (error) {
        if (!(error instanceof StatementEndedError)) throw error;
        last.failed += 1;
        // The failure of a process before this one is no news: what caused it may be gone.
        const old = error.statement.createdAtMs < openedAtMs && last.failed < TRIES_MAX;
        if (!old) throw error;
      }
    }
  }

  return {
    async prepare(signal) {
      await redshift.transaction(createTables(tables), { signal });
      await checkColumns(redshift, tables, signal);
    },
    async position({ topic, partition }, signal) {
      const parameters = { topic, partition };
      const result = await redshift.execute(selectPosition(tables), { signal, parameters });
      for await (const { columns } of result.batches) {
        const [column] = columns;
        if (column?.list !== "int64s" || column.nullRows.length > 0) continue;
        const [lastOffset] = column.values;
        if (lastOffset !== undefined) return lastOffset + 1n;
      }
      return undefined;
    },
    async register(entries: readonly LedgerEntry[], signal) {
      const distinct = distinctEntries(entries);
      if (distinct.length === 0) return;
      const manifest = await writeManifest(blobs, distinct, signal);
      failpoint("redshift.before-load");
      await run(loadSegments(tables, distinct, manifest, iamRole), signal);
      failpoint("redshift.after-load");
    },
  };
}

async function checkColumns(
  redshift: Redshift,
  tables: Tables,
  signal: AbortSignal,
): Promise<void> {
  const { columns } = await redshift.execute(describePosts(tables), { signal });
  const missing = missingColumns(columns.map(({ name }) => name));
  if (missing.length === 0) return;
  throw new RedshiftSchemaError(
    `${redshift.address}: table ${tables.schema}.${tables.posts} lacks the columns ` +
      `${missing.join(", ")}. Add them with ALTER TABLE, or load into another table.`,
  );
}

function plain(name: string): string {
  if (/^[a-z_][a-z0-9_]{0,100}$/.test(name)) return name;
  throw new ConfigError(
    `${JSON.stringify(name)} cannot name a Redshift schema or table here: ` +
      "lower-case letters, digits and _ are wanted, a digit not first",
  );
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { startRedshift } from "@hybridge/local";
import type { PreparedSql } from "@hybridge/query";
import { openRedshift, type Redshift } from "@hybridge/redshift";
import { POSTGRES_SECRET } from "./redshift-attacks.ts";
import type { Outcome, Sight, Stage } from "./stage.ts";
import { CANARY } from "./statement.ts";

/**
 * What passes for Redshift runs twice: on a PostgreSQL whose user may do everything and which
 * nothing but the guard protects, and on the local Redshift endpoint, which knows more of the
 * dialect and refuses much by itself.
 */
export interface RedshiftStage extends Stage {
  /** Runs a statement on the PostgreSQL, around the guard; its rows as text. */
  readonly around: (sql: string) => Promise<string>;
  /** The same on the endpoint. */
  readonly aroundEndpoint: (sql: string) => Promise<string>;
}

const STATEMENT_MS = 60_000;

export async function startRedshiftStage(signal: AbortSignal): Promise<RedshiftStage> {
  const dir = await mkdtemp(join(tmpdir(), "hybridge-guard-"));
  const server = await startRedshift({ dir: join(dir, "redshift"), signal });
  const { endpoint } = server.addresses;
  const client = openRedshift({
    region: "us-east-1",
    endpoint,
    workgroup: "local",
    database: "dev",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const postgres = await PGlite.create();
  const stage: RedshiftStage = {
    // Both engines run one statement at a time.
    sessions: 1,
    run: (prepared) => runOnBoth(postgres, client, prepared),
    look: () => look(postgres, client),
    around: (sql) => shownByPostgres(postgres, { sql, parameters: [] }),
    aroundEndpoint: (sql) => shownByEndpoint(client, { sql, parameters: [] }),
    async [Symbol.asyncDispose]() {
      await postgres.close();
      await client[Symbol.asyncDispose]();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  try {
    await furnish(stage);
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
  return stage;
}

const TABLES = [
  "create schema hybridge",
  "create table hybridge.t (id bigint, lang varchar(20), text varchar(100))",
  "create table hybridge.u (id bigint)",
  `insert into hybridge.t values (1, 'en', '{"a":1}'), (2, 'de', 'it''s')`,
  "insert into hybridge.u values (1), (3)",
];

/** Only in the PostgreSQL: what an account may hold that does something when it is called. */
const TRAPS = [
  "create sequence hybridge.s",
  `create function f_effect(text) returns text language sql as
     'insert into hybridge.u values (7); select ''done''::text'`,
  "create procedure p_effect() language sql as 'insert into hybridge.u values (7)'",
  `copy (select '${CANARY}') to '${POSTGRES_SECRET}'`,
];

async function furnish(stage: RedshiftStage): Promise<void> {
  for (const sql of [...TABLES, ...TRAPS]) await stage.around(sql);
  for (const sql of TABLES) await stage.aroundEndpoint(sql);
}

/** Runs on either: what one of them does not know of Redshift's dialect the other may. */
async function runOnBoth(
  postgres: PGlite,
  client: Redshift,
  prepared: PreparedSql,
): Promise<Outcome> {
  const [first, second] = [
    await attempt(() => shownByPostgres(postgres, prepared)),
    await attempt(() => shownByEndpoint(client, prepared)),
  ];
  if (first.kind === "failed" && second.kind === "failed") {
    return { kind: "failed", message: `${first.message}; ${second.message}` };
  }
  const shown = [first, second].map((outcome) =>
    outcome.kind === "ran" ? outcome.shown : outcome.message,
  );
  return { kind: "ran", shown: shown.join("\n") };
}

async function attempt(run: () => Promise<string>): Promise<Outcome> {
  try {
    return { kind: "ran", shown: await run() };
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

/** Named parameters become numbered ones; text in quotes holds none that is named so. */
async function shownByPostgres(postgres: PGlite, { sql, parameters }: PreparedSql) {
  const names = parameters.map(({ name }) => name);
  const numbered = sql.replace(/(?<![:\w]):([a-z]\d)\b/g, (whole, name: string) =>
    names.includes(name) ? `$${names.indexOf(name) + 1}` : whole,
  );
  const values = parameters.map(({ value }) => value);
  const { rows } = await postgres.query<unknown[]>(numbered, values, { rowMode: "array" });
  return rows.map((row) => row.map(String).join("\t")).join("\n");
}

async function shownByEndpoint(client: Redshift, { sql, parameters }: PreparedSql) {
  const signal = AbortSignal.timeout(STATEMENT_MS);
  const values = Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
  const result = await client.execute(sql, { signal, parameters: values });
  const lines: string[] = [];
  for await (const { rowCount, columns } of result.batches) {
    for (let row = 0; row < rowCount; row += 1) {
      lines.push(columns.map((column) => String(column.values[row])).join("\t"));
    }
  }
  return lines.join("\n");
}

/** What a statement may have changed, as the catalogs tell. */
const POSTGRES_LOOKS: Readonly<Record<string, string>> = {
  relations: `select n.nspname, relname, relkind, relfilenode, relacl, relnatts from pg_class c
    join pg_namespace n on n.oid = relnamespace where n.nspname !~ '^pg_toast'`,
  functions: "select pronamespace::regnamespace, proname, prosrc from pg_proc where oid >= 16384",
  schemas: "select nspname, nspacl from pg_namespace",
  roles: "select rolname, rolsuper from pg_authid",
  settings: "select name, setting from pg_settings",
  sequences: "select schemaname, sequencename, last_value from pg_sequences",
  objects: "select oid from pg_largeobject_metadata",
  prepared: "select name from pg_prepared_statements",
  cursors: "select name from pg_cursors where name <> ''",
  locks: "select classid, objid, objsubid from pg_locks where locktype = 'advisory'",
  channels: "select pg_listening_channels()",
  comments: "select objoid, description from pg_description where objoid >= 16384",
  files: "select pg_ls_dir('/')",
  t: "select * from hybridge.t",
  u: "select * from hybridge.u",
};

const ENDPOINT_LOOKS: Readonly<Record<string, string>> = {
  tables: "select table_schema, table_name, column_name from information_schema.columns",
  t: "select * from hybridge.t",
  u: "select * from hybridge.u",
};

async function look(postgres: PGlite, client: Redshift): Promise<Sight> {
  const sight = new Map<string, readonly string[]>();
  for (const [watch, sql] of Object.entries(POSTGRES_LOOKS)) {
    const shown = await shownByPostgres(postgres, { sql, parameters: [] });
    sight.set(`postgres ${watch}`, shown.split("\n"));
  }
  for (const [watch, sql] of Object.entries(ENDPOINT_LOOKS)) {
    const shown = await shownByEndpoint(client, { sql, parameters: [] });
    sight.set(`endpoint ${watch}`, shown.split("\n"));
  }
  return sight;
}

import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres, startRedshift } from "@hybridge/local";
import type { PreparedSql } from "@hybridge/query";
import { openRedshift, type Redshift } from "@hybridge/redshift";
import pg from "pg";
import type { Outcome, Sight, Stage } from "./stage.ts";
import { CANARY, type Targets } from "./statement.ts";

/**
 * What passes for Redshift runs twice: on a PostgreSQL whose user may do everything and which
 * nothing but the guard protects, and on the local Redshift endpoint, which knows more of the
 * dialect and refuses much by itself.
 */
export interface RedshiftStage extends Stage {
  readonly targets: Targets;
  /** Runs a statement on the PostgreSQL, around the guard; its rows as text. */
  readonly around: (sql: string) => Promise<string>;
  /** The same on the endpoint, as its administrator or another user. */
  readonly aroundEndpoint: (sql: string, user?: string) => Promise<string>;
}

const STATEMENT_MS = 60_000;

export async function startRedshiftStage(signal: AbortSignal): Promise<RedshiftStage> {
  const dir = await mkdtemp(join(tmpdir(), "hybridge-guard-"));
  const server = await startRedshift({ dir: join(dir, "redshift"), signal });
  const { endpoint } = server.addresses;
  const clientAs = (dbUser?: string) =>
    openRedshift({
      region: "us-east-1",
      endpoint,
      workgroup: "local",
      database: "dev",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      ...(dbUser === undefined ? {} : { dbUser }),
    });
  const client = clientAs();
  const targets = await openFolder(dir);
  const oracle = join(dir, "oracle");
  await mkdir(oracle);
  const engine = await startPostgres(oracle);
  const postgres = new pg.Client(engine.connection);
  await postgres.connect();
  const stage: RedshiftStage = {
    targets,
    // The watch over the settings looks at the one session.
    sessions: 1,
    run: (prepared) => runOnBoth(postgres, client, prepared),
    look: () => look(postgres, client, targets),
    around: (sql) => shownByPostgres(postgres, { sql, parameters: [] }),
    async aroundEndpoint(sql, user) {
      if (user === undefined) return await shownByEndpoint(client, { sql, parameters: [] });
      await using other = clientAs(user);
      return await shownByEndpoint(other, { sql, parameters: [] });
    },
    async [Symbol.asyncDispose]() {
      await postgres.end();
      await engine[Symbol.asyncDispose]();
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

/** A folder that the PostgreSQL can write to, whichever user it runs as. */
async function openFolder(dir: string): Promise<Targets> {
  const folder = join(dir, "folder");
  await mkdir(folder);
  await chmod(dir, 0o711);
  await chmod(folder, 0o777);
  return { folder, secretFile: join(folder, "secret") };
}

const TABLES = [
  "create schema hybridge",
  "create table hybridge.t (id bigint, lang varchar(20), text varchar(100))",
  "create table hybridge.u (id bigint)",
  `insert into hybridge.t values (1, 'en', '{"a":1}'), (2, 'de', 'it''s')`,
  "insert into hybridge.u values (1), (3)",
];

/** Only in the PostgreSQL: what an account may hold that does something when it is called. */
const traps = ({ secretFile }: Targets) => [
  "create sequence hybridge.s",
  `create function f_effect(text) returns text language sql as
     'insert into hybridge.u values (7); select ''done''::text'`,
  "create procedure p_effect() language sql as 'insert into hybridge.u values (7)'",
  `copy (select '${CANARY}') to '${secretFile}'`,
];

async function furnish(stage: RedshiftStage): Promise<void> {
  for (const sql of [...TABLES, ...traps(stage.targets)]) await stage.around(sql);
  for (const sql of TABLES) await stage.aroundEndpoint(sql);
}

/** Runs on either: what one of them does not know of Redshift's dialect the other may. */
async function runOnBoth(
  postgres: pg.Client,
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
async function shownByPostgres(postgres: pg.Client, { sql, parameters }: PreparedSql) {
  const names = parameters.map(({ name }) => name);
  const numbered = sql.replace(/(?<![:\w]):([a-z]\d)\b/g, (whole, name: string) =>
    names.includes(name) ? `$${names.indexOf(name) + 1}` : whole,
  );
  const values = parameters.map(({ value }) => value);
  // One statement, as the Data API takes it, also when it has no parameters.
  const query = { text: numbered, values, rowMode: "array", queryMode: "extended" } as const;
  const { rows } = await postgres.query<unknown[]>(query);
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
const postgresLooks = ({ folder }: Targets): Readonly<Record<string, string>> => ({
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
  files: `select pg_ls_dir('${folder}')`,
  t: "select * from hybridge.t",
  u: "select * from hybridge.u",
});

const ENDPOINT_LOOKS: Readonly<Record<string, string>> = {
  tables: "select table_schema, table_name, column_name from information_schema.columns",
  t: "select * from hybridge.t",
  u: "select * from hybridge.u",
};

async function look(postgres: pg.Client, client: Redshift, targets: Targets): Promise<Sight> {
  const sight = new Map<string, readonly string[]>();
  for (const [watch, sql] of Object.entries(postgresLooks(targets))) {
    const shown = await shownByPostgres(postgres, { sql, parameters: [] });
    sight.set(`postgres ${watch}`, shown.split("\n"));
  }
  for (const [watch, sql] of Object.entries(ENDPOINT_LOOKS)) {
    const shown = await shownByEndpoint(client, { sql, parameters: [] });
    sight.set(`endpoint ${watch}`, shown.split("\n"));
  }
  return sight;
}

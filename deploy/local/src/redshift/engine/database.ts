import pg from "pg";
import { COMPATIBILITY_SQL, COMPATIBILITY_VERSION } from "./compatibility-sql.ts";
import type { Connection } from "./server.ts";

/** Our functions before PostgreSQL's own of the same name and arguments. */
export const SEARCH_PATH = "public, redshift_compatibility, pg_catalog";

/** Makes the database if it is not there, and what Redshift has and PostgreSQL lacks. */
export async function prepareDatabase(server: Connection, database: string): Promise<Connection> {
  const quoted = pg.escapeIdentifier(database);
  const connection = server.connectionString === undefined ? { ...server, database } : server;
  if (server.connectionString === undefined) {
    await withClient(server, async (client) => {
      const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [
        database,
      ]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${quoted}`);
    });
  }
  await withClient(connection, bringUpToDate);
  return connection;
}

async function bringUpToDate(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string | null }>(
    "SELECT obj_description(to_regnamespace('redshift_compatibility'), 'pg_namespace') AS version",
  );
  if (rows[0]?.version === COMPATIBILITY_VERSION) return;
  await client.query("BEGIN");
  await client.query(COMPATIBILITY_SQL);
  await client.query(`COMMENT ON SCHEMA redshift_compatibility IS '${COMPATIBILITY_VERSION}'`);
  await client.query("COMMIT");
}

async function withClient(
  connection: Connection,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client(connection);
  client.on("error", () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

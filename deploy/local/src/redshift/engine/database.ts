import { PGlite, type Results } from "@electric-sql/pglite";
import { COMPATIBILITY_SQL, COMPATIBILITY_VERSION } from "./compatibility-sql.ts";

// Sizes for a process that shares a developer's machine; PostgreSQL's own defaults take 128 MB for
// shared buffers alone, which WebAssembly memory never gives back.
const SETTINGS = {
  shared_buffers: "16MB",
  work_mem: "8MB",
  maintenance_work_mem: "16MB",
  wal_buffers: "1MB",
  max_wal_size: "64MB",
  min_wal_size: "32MB",
  timezone: "UTC",
  search_path: "public,redshift_compatibility",
};

/** Opens the PostgreSQL in a folder, making it first if it is not there. */
export async function openDatabase(directory: string): Promise<PGlite> {
  const database = await PGlite.create({
    dataDir: directory,
    startParams: [
      ...PGlite.defaultStartParams,
      ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
  });
  await bringUpToDate(database);
  return database;
}

async function bringUpToDate(database: PGlite): Promise<void> {
  const version: Results<{ version: string | null }> = await database.query(
    "SELECT obj_description(to_regnamespace('redshift_compatibility'), 'pg_namespace') AS version",
  );
  if (version.rows[0]?.version === COMPATIBILITY_VERSION) return;
  await database.exec(COMPATIBILITY_SQL);
  await database.exec(`COMMENT ON SCHEMA redshift_compatibility IS '${COMPATIBILITY_VERSION}'`);
}

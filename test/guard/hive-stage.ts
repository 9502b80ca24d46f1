import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { openHive, type Hive as HiveClient } from "@hybridge/hive";
import { startHdfs, startHive, type Hdfs, type Hive } from "@hybridge/local";
import { processWatch, type ProcessWatch } from "./process-watch.ts";
import type { Outcome, Sight, Stage } from "./stage.ts";
import { CANARY, CANARY_PROPERTY, type Targets } from "./statement.ts";

/** A Hive of the local cloud under the watches, and what hostile statements shall not reach. */
export interface HiveStage extends Stage {
  readonly dir: string;
  readonly hdfs: Hdfs;
  readonly server: Hive;
  readonly targets: Targets;
  /** Runs a statement around the guard; its rows as text. */
  readonly around: (sql: string, session?: number) => Promise<string>;
  /** The same Hive with further properties, when the first one has been stopped. */
  readonly restarted: (site: Readonly<Record<string, string>>) => Promise<Hive>;
}

const SESSIONS = 3;
const STATEMENT_MS = 60_000;
const ROWS_SHOWN = 50;

/** The owner of the local HDFS. */
const user = userInfo().username;

/** Starts HDFS and Hive with two small tables. Hive has no authorization: nothing but the guard protects it. */
export async function startHiveStage(signal: AbortSignal): Promise<HiveStage> {
  const dir = await mkdtemp(join(tmpdir(), "hybridge-guard-"));
  const targets = { folder: join(dir, "attacked"), secretFile: join(dir, "secret") };
  await mkdir(targets.folder);
  await writeFile(targets.secretFile, `${CANARY}\n`);
  const processes = await processWatch(dir);
  const hdfs = await startHdfs({ dir: join(dir, "hdfs"), signal });
  const server = await startHive({
    dir: join(dir, "hive"),
    hdfs: hdfs.addresses,
    heapMb: 1_024,
    jvm: [...processes.jvm, `-D${CANARY_PROPERTY}=${CANARY}`],
    signal,
  });
  const clients = Array.from({ length: SESSIONS }, () => clientOf(server));
  const stage: HiveStage = {
    dir,
    hdfs,
    server,
    targets,
    sessions: SESSIONS,
    run: (prepared, session) => attempt(clientAt(clients, session), prepared.sql),
    look: () => look({ server, hdfs, processes, targets, clients }),
    around: (sql, session = 0) => shown(clientAt(clients, session), sql),
    async restarted(site) {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      await server.stop();
      return await startHive({ dir: join(dir, "hive"), hdfs: hdfs.addresses, site, signal });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      await server.stop();
      await hdfs.stop();
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

/** A client with one session, so that what a statement sets is seen by the next. */
export function clientOf({ addresses }: Hive, as = user): HiveClient {
  const [host = "", port = ""] = addresses.address.split(":");
  return openHive({ host, port: Number(port), user: as, sessionsMax: 1, sessionIdleMs: 3_600_000 });
}

function clientAt(clients: readonly HiveClient[], session: number): HiveClient {
  const client = clients[session];
  if (client) return client;
  throw new RangeError(`there is no session ${session}`);
}

async function furnish(stage: HiveStage): Promise<void> {
  const columns = "id bigint, lang string, text string, tags array<string>, m map<string,int>";
  for (const sql of [
    "create database hybridge",
    `create external table hybridge.t (${columns}) partitioned by (dt string)`,
    "create external table hybridge.u (id bigint)",
    `insert into hybridge.t partition (dt = '2026-01-01')
       select 1, 'en', '{"a":1}', array('x', 'y'), map('k', 1)
       union all select 2, 'de', "it's", array('z'), map('k', 2)`,
    "insert into hybridge.u values (1), (3)",
  ]) {
    await stage.around(sql);
  }
}

async function attempt(client: HiveClient, sql: string): Promise<Outcome> {
  try {
    return { kind: "ran", shown: await shown(client, sql) };
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

/** The first rows of a result as text. */
export async function shown(client: HiveClient, sql: string): Promise<string> {
  const signal = AbortSignal.timeout(STATEMENT_MS);
  await using result = await client.execute(sql, { signal, fetchRowsMax: 5_000 });
  const lines: string[] = result.columns.map(({ name }) => name);
  for await (const batch of result.batches) {
    for (let row = 0; row < batch.rowCount; row += 1) {
      lines.push(batch.columns.map(({ values }) => String(values[row])).join("\t"));
    }
    if (lines.length >= ROWS_SHOWN && !/^(show|set|list) /.test(sql)) break;
  }
  return lines.join("\n");
}

interface Watched {
  readonly server: Hive;
  readonly hdfs: Hdfs;
  readonly processes: ProcessWatch;
  readonly targets: Targets;
  readonly clients: readonly HiveClient[];
}

async function look({ server, hdfs, processes, targets, clients }: Watched): Promise<Sight> {
  const sight = new Map<string, readonly string[]>([
    ["processes", await processes.look(server.pid)],
    ["files", await readdir(targets.folder, { recursive: true })],
    ["hdfs", await hdfsTree(hdfs.addresses.webhdfs, "/")],
    ["metastore", await metastore(clientAt(clients, 0))],
  ]);
  for (const [session, client] of clients.entries()) {
    sight.set(`session ${session}`, await settingsOf(client));
  }
  return sight;
}

/** Every file of HDFS with its length and time, but for scratch files. */
async function hdfsTree(webhdfs: string, folder: string): Promise<string[]> {
  const url = `${webhdfs}/webhdfs/v1${folder}?op=LISTSTATUS&user.name=${encodeURIComponent(user)}`;
  const answer = (await (await fetch(url)).json()) as {
    FileStatuses: { FileStatus: FileStatus[] };
  };
  const lines: string[] = [];
  for (const status of answer.FileStatuses.FileStatus) {
    const path = `${folder === "/" ? "" : folder}/${status.pathSuffix}`;
    // Hive's and Tez's own, for each statement.
    if (path === "/tmp/hive" || path.endsWith("/.tez")) continue;
    const { length, permission, owner, modificationTime } = status;
    const isFolder = status.type === "DIRECTORY";
    lines.push(
      [path, permission, owner, isFolder ? "" : `${length} ${modificationTime}`].join(" "),
    );
    if (isFolder) lines.push(...(await hdfsTree(webhdfs, path)));
  }
  return lines;
}

interface FileStatus {
  readonly pathSuffix: string;
  readonly type: string;
  readonly length: number;
  readonly permission: string;
  readonly owner: string;
  readonly modificationTime: number;
}

/** Everything that Hive's catalog says. */
async function metastore(client: HiveClient): Promise<string[]> {
  const lines: string[] = [];
  const ask = async (sql: string) => {
    const rows = (await shown(client, sql)).split("\n");
    lines.push(...rows.map((row) => `${sql}: ${row}`));
    return rows.slice(1);
  };
  for (const database of await ask("show databases")) {
    await ask(`describe database extended ${database}`);
    for (const table of await ask(`show tables in ${database}`)) {
      await ask(`describe formatted ${database}.${table}`);
    }
  }
  await ask("show partitions hybridge.t");
  return lines;
}

/** What belongs to a session: settings, functions, macros, resources, the database. */
async function settingsOf(client: HiveClient): Promise<string[]> {
  const lines: string[] = [];
  for (const sql of ["set -v", "show functions", "show tables", "list jars", "list files"]) {
    const rows = (await shown(client, sql)).split("\n");
    lines.push(...rows.filter((row) => !VOLATILE.test(row)).map((row) => `${sql}: ${row}`));
  }
  const [, database = ""] = (await shown(client, "select current_database()")).split("\n");
  lines.push(`database: ${database}`);
  return lines;
}

/** Settings that Hive itself changes with each statement. */
const VOLATILE =
  /^(?:hive\.query\.(?:id|string|timestamp)|hive\.query\.submitted|mapreduce\.workflow|_hive|tez\.dag)/;

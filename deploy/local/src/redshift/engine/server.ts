import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UnavailableError } from "@hybridge/core";
import pg from "pg";
import { tail } from "../../component.ts";
import { launch, type Running } from "../../launch.ts";
import { runProcess } from "./run-process.ts";
import { postgresInstallation, postgresUser } from "./installation.ts";

/** Where a PostgreSQL is, as the driver takes it. */
export type Connection = Pick<
  pg.ClientConfig,
  "connectionString" | "host" | "port" | "user" | "password" | "database"
>;

export const SUPERUSER = "awsuser";
/** Statements that run at once, and connections of ours beside them. */
export const CONNECTIONS_MAX = 24;

const START_MS = 60_000;
const STOP_MS = 5_000;
const PORT_TRIES = 3;

// Sizes for a process that shares a developer's machine. Without fsync a kill loses nothing, since
// the operating system has what was written; a power cut may.
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: String(CONNECTIONS_MAX),
  shared_buffers: "32MB",
  work_mem: "8MB",
  maintenance_work_mem: "32MB",
  max_wal_size: "128MB",
  min_wal_size: "32MB",
  fsync: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
  io_method: "sync",
  max_parallel_workers_per_gather: "0",
  jit: "off",
};

/** A PostgreSQL of our own, as processes that end with this one. */
export interface PostgresServer extends AsyncDisposable {
  readonly connection: Connection;
  readonly exited: Promise<unknown>;
}

/**
 * Starts the PostgreSQL whose data are in `directory`/postgres, making them first if there are none.
 *
 * Non-obvious: as another user than root it may not be able to reach its data, as below a folder
 * of `mktemp -d`. On Linux it then gets the open folder and finds it as /proc/self/fd/N, which
 * needs no way to it; PostgreSQL changes into its folder once and uses names below it from then on.
 *
 * @throws UnavailableError with the end of its log
 */
export async function startPostgres(directory: string): Promise<PostgresServer> {
  const installation = await postgresInstallation();
  const data = join(directory, "postgres");
  const password = await passwordOf(directory);
  if ((await stat(data).catch(() => undefined)) === undefined) {
    await initialize(installation, directory, data);
  }
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const server = await startAt(installation, directory, data, port);
    const connection = {
      host: "127.0.0.1",
      port,
      user: SUPERUSER,
      password,
      database: "postgres",
    };
    const problem = await answers(server, connection);
    if (problem === undefined) {
      return {
        connection,
        exited: server.exited,
        [Symbol.asyncDispose]: () => server.stop(),
      };
    }
    await server.stop();
    // Between the choice of a port and its use another program can take it.
    const log = tail(logFileOf(directory), 12);
    if (attempt < PORT_TRIES && log.includes("could not bind")) continue;
    throw new UnavailableError(
      `the local Redshift's PostgreSQL did not start in ${data}. Its log ${logFileOf(directory)} ends with:\n${log}`,
      { cause: problem },
    );
  }
}

async function startAt(
  installation: string,
  directory: string,
  data: string,
  port: number,
): Promise<Running> {
  const { path, handle } = reach(data, 4);
  try {
    const runAs = postgresUser();
    const settings = Object.entries({ ...SETTINGS, port: String(port) });
    return await launch({
      name: "postgres",
      command: join(installation, "bin/postgres"),
      args: ["-D", path, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      env: { LC_ALL: "C", TZ: "UTC" },
      cwd: "/",
      logFile: logFileOf(directory),
      pidFile: join(directory, "postgres.pid"),
      stopMs: STOP_MS,
      // SIGTERM would wait until every session has ended.
      stopSignal: "SIGINT",
      ...(runAs && { runAs }),
      ...(handle !== undefined && { handle }),
    });
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** Under another name first, so that a database whose making was cut off is made again. */
async function initialize(installation: string, directory: string, data: string): Promise<void> {
  const unfinished = `${data}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  const user = postgresUser();
  const secret = passwordFileOf(directory);
  if (user) {
    await chown(unfinished, user.uid, user.gid);
    await chown(secret, user.uid, user.gid);
  }
  const folder = reach(unfinished, 3);
  const passwordFile = reach(secret, 4);
  try {
    await runProcess(
      join(installation, "bin/initdb"),
      [
        ["-D", folder.path, "-U", SUPERUSER, "--pwfile", passwordFile.path, "-A", "scram-sha-256"],
        // Redshift compares by bytes and knows upper and lower case of all letters.
        ["-E", "UTF8", "--locale", "C", "--locale-provider", "builtin"],
        ["--builtin-locale", "C.UTF-8", "--no-sync", "--no-instructions"],
      ].flat(),
      { handles: [folder.handle, passwordFile.handle], user },
    );
  } finally {
    for (const { handle } of [folder, passwordFile]) if (handle !== undefined) closeSync(handle);
  }
  await rename(unfinished, data);
}

/** A path by which the process that gets `handle` as its descriptor reaches a file of ours. */
function reach(
  path: string,
  descriptor: number,
): { readonly path: string; readonly handle: number | undefined } {
  if (postgresUser() === undefined || process.platform !== "linux") {
    return { path, handle: undefined };
  }
  return { path: `/proc/self/fd/${descriptor}`, handle: openSync(path, "r") };
}

async function passwordOf(directory: string): Promise<string> {
  const path = passwordFileOf(directory);
  const known = await readFile(path, "utf8").catch(() => "");
  if (known.trim() !== "") return known.trim();
  const password = randomBytes(24).toString("hex");
  await writeFile(`${path}.new`, password, { mode: 0o600 });
  await chmod(`${path}.new`, 0o600);
  await rename(`${path}.new`, path);
  return password;
}

function passwordFileOf(directory: string): string {
  return join(directory, "postgres.password");
}

function logFileOf(directory: string): string {
  return join(directory, "postgres.log");
}

/** Undefined once it takes connections; otherwise why it does not. */
async function answers(server: Running, connection: Connection): Promise<Error | undefined> {
  const deadline = Date.now() + START_MS;
  let problem = new Error(`no answer after ${START_MS} ms`);
  while (Date.now() < deadline) {
    if (server.exit) return new Error(`it ended with ${server.exit.signal ?? server.exit.code}`);
    const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return undefined;
    } catch (error) {
      problem = error as Error;
    }
    await delay(20);
  }
  return problem;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

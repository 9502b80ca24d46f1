import type { ExecuteOptions, Hive, HiveOptions, HiveResult, HiveTimeouts } from "./api.ts";
import { addressesOf, addressText } from "./server.ts";
import { sessionPool } from "./session-pool.ts";
import { runStatement, type Engine } from "./statement.ts";

const TIMEOUTS: HiveTimeouts = {
  connectMs: 10_000,
  // Above hive.server2.long.polling.timeout, for which HiveServer2 may hold an answer back.
  answerMs: 30_000,
  compileMs: 120_000,
  fetchMs: 300_000,
  cancelMs: 5_000,
};

/** A client of HiveServer2. Connects when there is something to run. */
export function openHive(options: HiveOptions): Hive {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const pool = sessionPool(options, timeouts);
  const background = new Set<Promise<void>>();
  const engine: Engine = {
    options,
    timeouts,
    pool,
    background(work) {
      background.add(work);
      void work.finally(() => background.delete(work));
    },
  };
  return {
    address: addressesOf(options).map(addressText).join(),
    execute: (sql, executeOptions) => runStatement(engine, sql, executeOptions),
    async [Symbol.asyncDispose]() {
      await Promise.all(background);
      await pool[Symbol.asyncDispose]();
    },
  };
}

/** Runs one statement; see Hive.execute. */
export async function executeHive(
  hive: Hive,
  sql: string,
  options: ExecuteOptions,
): Promise<HiveResult> {
  return await hive.execute(sql, options);
}

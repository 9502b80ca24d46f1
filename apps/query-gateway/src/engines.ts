import type { Hive } from "@hybridge/hive";
import { limitRows } from "@hybridge/query";
import { RedshiftResultSizeError, type Redshift } from "@hybridge/redshift";
import type { QueryEngine, Result } from "./engine.ts";

/** HiveServer2 behind the gateway's port. Its parameters are in the SQL already. */
export function hiveEngine(hive: Hive): QueryEngine {
  return {
    engine: "hive",
    address: hive.address,
    billedByUse: false,
    execute: ({ sql }, { signal, timeoutMs, onStarted }) =>
      hive.execute(sql, { signal, queryTimeoutMs: timeoutMs, onStarted }),
  };
}

/**
 * Rows that the Data API carries whatever they hold: 64 KB each at most, 500 MB together. A result
 * that was too large is asked for again with that many.
 */
const ROWS_CARRIED = 7_500;

/** The Redshift Data API behind the gateway's port. Limits of time and rows go to the engine. */
export function redshiftEngine(redshift: Redshift): QueryEngine {
  return {
    engine: "redshift",
    address: redshift.address,
    billedByUse: true,
    async execute({ sql, parameters }, { signal, timeoutMs, rowsMax, onStarted }) {
      const values = Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
      const options = { signal, timeoutMs, onStarted, parameters: values };
      // One more than is sent, which tells whether there is more.
      const run = (rows: number | undefined): Promise<Result> =>
        redshift.execute(rows === undefined ? sql : limitRows(sql, rows + 1), options);
      try {
        return await run(rowsMax);
      } catch (error) {
        if (!(error instanceof RedshiftResultSizeError) || rowsMax === undefined) throw error;
        if (rowsMax <= ROWS_CARRIED) throw error;
        return { ...(await run(ROWS_CARRIED)), rowsMax: ROWS_CARRIED };
      }
    },
  };
}

import type { Hive } from "@hybridge/hive";
import type { Redshift } from "@hybridge/redshift";
import type { QueryEngine } from "./engine.ts";

/** HiveServer2 behind the gateway's port. Its parameters are in the SQL already. */
export function hiveEngine(hive: Hive): QueryEngine {
  return {
    engine: "hive",
    address: hive.address,
    execute: ({ sql }, { signal, timeoutMs, onStarted }) =>
      hive.execute(sql, { signal, queryTimeoutMs: timeoutMs, onStarted }),
  };
}

/** The Redshift Data API behind the gateway's port. */
export function redshiftEngine(redshift: Redshift): QueryEngine {
  return {
    engine: "redshift",
    address: redshift.address,
    execute: ({ sql, parameters }, { signal, onStarted }) =>
      redshift.execute(sql, {
        signal,
        onStarted,
        parameters: Object.fromEntries(parameters.map(({ name, value }) => [name, value])),
      }),
  };
}

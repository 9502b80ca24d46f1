import type { Clock } from "@hybridge/core";
import type { Redshift } from "../api.ts";
import { StatementEndedError } from "../errors.ts";
import type { TableNames } from "../names.ts";
import { failedExpectation, sweepSql } from "./load-sql.ts";

const SWEEP_S = 86_400;
/** Until the next try, after one that failed. */
const AGAIN_MS = 3_600_000;

/** Deletes the posts that loads did not look at, for their age, once a day. */
export interface DailySweep {
  /** How long ago the last one was, by the engine's clock. */
  heard(ageS: number): void;
  /** Sweeps when a day has passed. Call it after a load only: the workgroup is awake then. */
  sweep(signal: AbortSignal): Promise<void>;
}

export function dailySweep(redshift: Redshift, names: TableNames, clock: Clock): DailySweep {
  let dueMs = clock.now() + SWEEP_S * 1000;
  return {
    heard(ageS) {
      dueMs = clock.now() + (SWEEP_S - ageS) * 1000;
    },
    async sweep(signal) {
      if (clock.now() < dueMs) return;
      dueMs = clock.now() + AGAIN_MS;
      try {
        await redshift.transaction(sweepSql(names, SWEEP_S), { signal });
      } catch (error) {
        // Another process has just swept.
        if (!(error instanceof StatementEndedError) || !failedExpectation(error.sql)) throw error;
      }
      dueMs = clock.now() + SWEEP_S * 1000;
    },
  };
}

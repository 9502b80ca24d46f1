import type { Engine } from "@hybridge/query";
import type { OracleReport } from "./oracle.ts";

/** What a run came to, for people. */
export function describeReport(engine: Engine, report: OracleReport): string {
  const { benign, benignPassed, hostile, hostilePassed, ran, failed, failures, reasons } = report;
  const lines = [
    `${engine}: ${benignPassed} of ${benign} benign and ${hostilePassed} of ${hostile} hostile statements ` +
      `passed the guard; the engine ran ${ran} of them and did not take ${failed}`,
    ...failures.map((failure) => `  FAILED ${failure}`),
    ...[...reasons].slice(0, 5).map(([sql, why]) => `  not taken: ${sql}: ${why.slice(0, 160)}`),
  ];
  return lines.join("\n");
}

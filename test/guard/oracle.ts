import fc from "fast-check";
import { prepareSql, SqlParameterError, SqlRefusedError, type PreparedSql } from "@hybridge/query";
import { differences, type Sight, type Stage } from "./stage.ts";
import { CANARY, type Statement } from "./statement.ts";

export interface OracleOptions {
  readonly stage: Stage;
  readonly statements: fc.Arbitrary<Statement>;
  readonly count: number;
  readonly seed: number;
  /** Told after each batch. */
  readonly onProgress?: (report: OracleReport) => void;
}

/** What became of the statements. Sound when `failures` is empty. */
export interface OracleReport {
  judged: number;
  /** What people write, and how much of it the guard let through. */
  benign: number;
  benignPassed: number;
  hostile: number;
  hostilePassed: number;
  /** What passed and the engine took, and what passed and it did not. */
  ran: number;
  failed: number;
  /** Why the engine did not take benign ones: not a failure of the guard, but of the generator or the engine. */
  readonly reasons: Map<string, string>;
  /** What changed, or what was shown that nobody may see. */
  readonly failures: string[];
}

/** Between two looks; few enough to find the culprit, many enough to be fast. */
const BATCH = 1_000;

/**
 * Sends generated statements through the guard, and what passes to a real engine under a watch:
 * nothing may start, change or be set, and no result may show the secret.
 */
export async function runGuardOracle(options: OracleOptions): Promise<OracleReport> {
  const { stage, statements, count, seed, onProgress } = options;
  const report = emptyReport();
  const all = fc.sample(statements, { numRuns: count, seed });
  let before = await stage.look();
  for (let from = 0; from < count; from += BATCH) {
    before = await runBatch(stage, all.slice(from, from + BATCH), report, before);
    onProgress?.(report);
  }
  judgeWhole(report);
  return report;
}

function emptyReport(): OracleReport {
  return {
    judged: 0,
    benign: 0,
    benignPassed: 0,
    hostile: 0,
    hostilePassed: 0,
    ran: 0,
    failed: 0,
    reasons: new Map(),
    failures: [],
  };
}

async function runBatch(
  stage: Stage,
  batch: readonly Statement[],
  report: OracleReport,
  before: Sight,
): Promise<Sight> {
  const waiting = [...batch];
  const suspects: string[] = [];
  const work = Array.from({ length: stage.sessions }, async (_, session) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const sent = await judge(next, report);
      if (!sent) continue;
      if (next.origin === "hostile") suspects.push(sent.sql);
      await execute(stage, sent, session, report, next.origin);
    }
  });
  await Promise.all(work);
  const after = await stage.look();
  const changed = differences(before, after);
  report.failures.push(...changed);
  if (changed.length > 0) report.failures.push(...suspects.map((sql) => `one of: ${sql}`));
  return after;
}

async function judge(
  { engine, sql, parameters, origin }: Statement,
  report: OracleReport,
): Promise<PreparedSql | undefined> {
  report.judged += 1;
  report[origin] += 1;
  try {
    const prepared = await prepareSql(engine, sql, parameters);
    report[`${origin}Passed`] += 1;
    return prepared;
  } catch (error) {
    const refused = error instanceof SqlRefusedError || error instanceof SqlParameterError;
    if (!refused) report.failures.push(`the guard itself failed at ${sql}: ${String(error)}`);
    return undefined;
  }
}

async function execute(
  stage: Stage,
  sent: PreparedSql,
  session: number,
  report: OracleReport,
  origin: Statement["origin"],
) {
  const outcome = await stage.run(sent, session);
  if (outcome.kind === "ran") report.ran += 1;
  else {
    report.failed += 1;
    if (origin === "benign") report.reasons.set(sent.sql, outcome.message);
  }
  const told = outcome.kind === "ran" ? outcome.shown : outcome.message;
  if (told.includes(CANARY)) report.failures.push(`shows the secret: ${sent.sql}`);
}

/** A guard that refuses everything, or an engine that runs nothing, proves nothing. */
function judgeWhole(report: OracleReport): void {
  const { benign, benignPassed, ran, judged } = report;
  if (benignPassed < benign || benign === 0) {
    report.failures.push(`only ${benignPassed} of ${benign} benign statements pass the guard`);
  }
  if (ran < judged * 0.2) report.failures.push(`only ${ran} of ${judged} statements ran`);
}

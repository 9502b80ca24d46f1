import { failpoint } from "@hybridge/core";
import { CatalogMovedError, CatalogRefusedError } from "@hybridge/landing";
import { RedshiftStatementError, StatementEndedError } from "../errors.ts";
import { failedExpectation, loadSql } from "./load-sql.ts";
import type { PlannedLoad } from "./plan-loads.ts";
import { loadRunner } from "./run-load.ts";
import { refusedFiles, stageFiles, type FileTrial } from "./stage-files.ts";
import type { TablePosition } from "./table-position.ts";

/** "refused": nothing of it is loaded, for what some of its commits bring. */
export type LoadOutcome = "loaded" | "refused";

/**
 * Runs planned loads and moves the position.
 *
 * @throws CatalogMovedError when another process has loaded
 * @throws CatalogRefusedError when a load of one commit has files that COPY does not take
 */
export function planLoader(trial: FileTrial, position: TablePosition) {
  const { redshift, names, iamRole, manifests } = trial;
  const run = loadRunner(redshift);

  async function load(plan: PlannedLoad, signal: AbortSignal): Promise<void> {
    const { to, ranges } = plan;
    const { log } = plan.from;
    const staged = [];
    for (const files of plan.wanted) staged.push(await stageFiles(files, to, manifests, signal));
    const from = (await position.stored(signal))?.number;
    failpoint("redshift.before-load");
    position.forget();
    await run(loadSql(names, { log, from, to, staged, ranges }, iamRole), signal);
    position.set({ log, number: to });
    failpoint("redshift.after-load");
  }

  /** @throws what became of a load, unless it is refused and to be made smaller */
  async function explain(plan: PlannedLoad, error: unknown, signal: AbortSignal): Promise<void> {
    if (!(error instanceof StatementEndedError)) throw error;
    const failed = failedExpectation(error.sql);
    if (failed === "position") {
      const message = `${position.table} stands no longer at commit ${plan.from.number}: another process has loaded`;
      throw new CatalogMovedError(message, { cause: error });
    }
    const isOfFiles = failed === "rows" || error.sql.startsWith("COPY");
    if (!(error instanceof RedshiftStatementError) || !isOfFiles) throw error;
    if (plan.commits > 1) return;
    const refused = await refusedFiles(plan, trial, signal);
    if (refused.length === 0) throw error;
    const message = `${error.message}. Refused: ${refused.map(({ path }) => path).join(", ")}`;
    const why = failed === "rows" ? "altered" : "refused";
    throw new CatalogRefusedError(message, refused, why, { cause: error });
  }

  return async function loadPlan(plan: PlannedLoad, signal: AbortSignal): Promise<LoadOutcome> {
    const before = await position.stored(signal);
    try {
      await load(plan, signal);
      return "loaded";
    } catch (error) {
      await explain(plan, error, signal);
      // Redshift said how it ended: nothing of it is in effect.
      position.set(before);
      return "refused";
    }
  };
}

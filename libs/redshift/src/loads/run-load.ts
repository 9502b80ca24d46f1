import { createHash, randomUUID } from "node:crypto";
import { failpoint } from "@hybridge/core";
import type { Redshift } from "../api.ts";
import { StatementEndedError } from "../errors.ts";
import { failedExpectation } from "./load-sql.ts";

/**
 * Runs loads by tokens that follow from their content, so that a process that lost an answer, or was
 * started anew, finds the load that is under way. A token answers for 8 hours, with a failure too:
 * that may be another process's, of a time when its cause still was there. So the first failure is
 * followed by a try under a token of its own, whose failure is news.
 */
export function loadRunner(redshift: Redshift) {
  let last = { load: "", token: "", isFresh: false };
  return async function run(sqls: readonly string[], signal: AbortSignal): Promise<void> {
    const load = createHash("sha256").update(JSON.stringify(sqls)).digest("hex");
    if (last.load !== load) last = { load, token: load, isFresh: false };
    for (;;) {
      const { token, isFresh } = last;
      const onStarted = () => failpoint("redshift.during-load");
      try {
        await redshift.transaction(sqls, { signal, token, onStarted });
        return;
      } catch (error) {
        // Who is late stays late.
        if (!(error instanceof StatementEndedError) || failedExpectation(error.sql) === "position")
          throw error;
        last = { load, token: randomUUID(), isFresh: true };
        if (isFresh) throw error;
      }
    }
  };
}

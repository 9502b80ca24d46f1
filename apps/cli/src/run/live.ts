import { describeError, systemClock } from "@hybridge/core";
import { callUnary } from "@hybridge/rpc";
import type { RunPlan } from "./plan.ts";
import { answerSamples, describeReconciliation } from "./samples.ts";
import { readStages, type Stage } from "./stages.ts";
import type { RunningServices } from "./system.ts";
import type { LiveView } from "./view.ts";

const PAINT_MS = 1_000;
const RECONCILE_EVERY_MS = 60_000;

/**
 * Shows the stages until the signal is aborted. When posts have arrived in both warehouses the two
 * sample queries are answered once, and the sides are reconciled then and every minute after.
 */
export async function liveView(
  plan: RunPlan,
  services: RunningServices,
  view: LiveView,
  signal: AbortSignal,
): Promise<void> {
  const asking = askWhenReady(plan, services, view, signal);
  const painting = paint(services, view, signal);
  await Promise.race([asking.done, painting]);

  async function paint(from: RunningServices, to: LiveView, until: AbortSignal) {
    for (;;) {
      const stages = await readStages(from, until);
      asking.see(stages);
      to.show(stages, "Ctrl-C stops everything; the data stays");
      await systemClock.sleep(PAINT_MS, until);
    }
  }
}

function askWhenReady(
  plan: RunPlan,
  services: RunningServices,
  view: LiveView,
  signal: AbortSignal,
) {
  let ready: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    ready = resolve;
  });
  return {
    see(stages: readonly Stage[]) {
      const queryable = stages.filter(({ name }) => /Hive$|Redshift$/.test(name));
      if (queryable.every((stage) => stage.records > 0n)) ready();
    },
    done: arrived.then(() => askAndReconcile(plan, services, view, signal)),
  };
}

async function askAndReconcile(
  plan: RunPlan,
  services: RunningServices,
  view: LiveView,
  signal: AbortSignal,
): Promise<void> {
  await attempt("sample queries", async () => {
    view.say(`\n${await answerSamples(services.clients().query, signal)}\n`);
  });
  for (;;) {
    await attempt("reconciliation", async () => {
      const { reconcile } = services.clients();
      const method = reconcile.reconcile.bind(reconcile);
      const request = { topic: plan.topic, rangeSize: 0n, sinceMs: 0n };
      const answer = await callUnary(method, request, { deadlineMs: 120_000, signal });
      const at = new Date().toISOString().slice(11, 19);
      view.say(`${at} ${describeReconciliation(answer)}`);
    });
    await systemClock.sleep(RECONCILE_EVERY_MS, signal);
  }

  // A service that is just being restarted is no reason to end the view.
  async function attempt(what: string, ask: () => Promise<void>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      signal.throwIfAborted();
      view.say(`${what} not answered: ${describeError(error)}`);
    }
  }
}

import { XRulesRefusedError } from "./errors.ts";
import type { XPlan } from "./rules.ts";
import type { XRule, XTransport } from "./x-transport.ts";

/**
 * Rules of the configuration have the tag itself; those that somebody added while it ran have
 * `<tag>:` before a tag of their own, and stay until somebody removes them. All others are another
 * program's and are never touched.
 */
export function isOurs(tag: string, rule: XRule): boolean {
  return rule.tag === tag || rule.tag?.startsWith(`${tag}:`) === true;
}

/** What a reconciliation did. */
export interface Reconciled {
  readonly added: number;
  readonly removed: number;
  readonly kept: number;
  /** Rules of others on the same app: their posts come too. */
  readonly foreign: number;
}

/**
 * Makes the configuration's rules at X what they are to be, and changes nothing that is so already.
 * X is asked first whether it takes the new ones. What is added comes before what is removed, so
 * that nothing goes unseen in between, unless the plan has no room for both.
 *
 * @throws XRulesRefusedError before anything was changed
 */
export async function reconcileRules(
  transport: XTransport,
  wanted: readonly string[],
  { plan, tag }: { readonly plan: XPlan; readonly tag: string },
  signal: AbortSignal,
): Promise<Reconciled> {
  const present = await transport.listRules(signal);
  const configured = present.filter((rule) => rule.tag === tag);
  // X keeps one rule of a text: what another tag has is streamed as well.
  const known = new Set(present.map(({ value }) => value));
  const missing = wanted.filter((value) => !known.has(value)).map((value) => ({ value, tag }));
  const outdated = configured.filter(({ value }) => !wanted.includes(value)).map(({ id }) => id);
  checkCount(present.length + missing.length - outdated.length, plan);
  if (missing.length > 0) await transport.addRules(missing, { dryRun: true }, signal);
  const hasRoom = present.length + missing.length <= plan.rulesMax;
  const add = async () => {
    if (missing.length > 0) await transport.addRules(missing, { dryRun: false }, signal);
  };
  const remove = async () => {
    if (outdated.length > 0) await transport.deleteRules(outdated, signal);
  };
  for (const step of hasRoom ? [add, remove] : [remove, add]) await step();
  return {
    added: missing.length,
    removed: outdated.length,
    kept: configured.length - outdated.length,
    foreign: present.filter((rule) => !isOurs(tag, rule)).length,
  };
}

/** @throws XRulesRefusedError when X would hold more than the plan allows */
export function checkCount(rules: number, { rulesMax }: XPlan): void {
  if (rules <= rulesMax) return;
  throw new XRulesRefusedError(
    `X would hold ${rules} rules, and the plan has ${rulesMax}; nothing was changed: remove some, those of other programs included`,
  );
}

import type { FeedRule, FeedRules, RulesChange } from "../feed.ts";
import { XRulesRefusedError } from "./errors.ts";
import { checkCount, isOurs } from "./reconcile-rules.ts";
import type { XPlan } from "./rules.ts";
import type { XTransport } from "./x-transport.ts";

/** The rules at X that are ours, for those who look and change while it streams: X needs some 20 s to follow. */
export function liveRules(
  transport: XTransport,
  { plan, tag }: { readonly plan: XPlan; readonly tag: string },
): FeedRules {
  const list = async (signal: AbortSignal): Promise<readonly FeedRule[]> => {
    const rules = await transport.listRules(signal);
    return rules.flatMap((rule) => {
      return isOurs(tag, rule) ? [{ id: rule.id, value: rule.value, tag: rule.tag ?? "" }] : [];
    });
  };
  return {
    list,
    async change(change, signal) {
      checkLengths(change, plan);
      const present = await transport.listRules(signal);
      const ours = new Set(present.filter((rule) => isOurs(tag, rule)).map(({ id }) => id));
      const foreign = change.remove.filter((id) => !ours.has(id));
      if (foreign.length > 0) {
        throw new XRulesRefusedError(
          `no rules of ours have the ids ${foreign.join(", ")}; nothing was changed: the list of rules says which there are`,
        );
      }
      checkCount(present.length + change.add.length, plan);
      const fresh = change.add.map((rule) => ({
        value: rule.value,
        tag: `${tag}:${rule.tag ?? ""}`,
      }));
      if (fresh.length > 0) {
        await transport.addRules(fresh, { dryRun: true }, signal);
        await transport.addRules(fresh, { dryRun: false }, signal);
      }
      if (change.remove.length > 0) await transport.deleteRules(change.remove, signal);
      return list(signal);
    },
  };
}

function checkLengths({ add }: RulesChange, { ruleLengthMax }: XPlan): void {
  const wrong = add.filter(({ value }) => value === "" || value.length > ruleLengthMax);
  if (wrong.length === 0) return;
  throw new XRulesRefusedError(
    `a rule has 1 to ${ruleLengthMax} characters on this plan; nothing was changed:\n${wrong
      .map(({ value }) => `  ${value.slice(0, 60)} (${value.length})`)
      .join("\n")}`,
  );
}

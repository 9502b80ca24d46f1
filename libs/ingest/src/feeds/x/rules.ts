import { ConfigError } from "@hybridge/core";

/** What a person wants of X. A post is wanted that any keyword, user or rule wants. */
export interface XFilter {
  /** Several words of one keyword must all be there; a phrase stands in quotation marks. */
  readonly keywords: readonly string[];
  /** Handles, with or without @, or ids of users. */
  readonly users: readonly string[];
  /** BCP 47 codes as X knows them; they narrow keywords and users, and not the rules. */
  readonly languages: readonly string[];
  /** In X's own language of rules, passed on as they stand. */
  readonly rules: readonly string[];
}

/** What a plan of X allows: docs.x.com, "Filtered stream", limits by access level. */
export interface XPlan {
  readonly rulesMax: number;
  readonly ruleLengthMax: number;
  /** How far back a new connection can reach; 0 where the plan has no backfill. */
  readonly backfillMinutesMax: number;
}

export const xPlans = {
  "pay-per-use": { rulesMax: 1_000, ruleLengthMax: 1_024, backfillMinutesMax: 0 },
  enterprise: { rulesMax: 25_000, ruleLengthMax: 2_048, backfillMinutesMax: 5 },
} as const satisfies Record<string, XPlan>;

/**
 * The rules of X that say what the filter says: as few as possible, since plans count them. Nothing
 * is sent: whatever X would refuse for its form is found here.
 *
 * @throws ConfigError with every problem at once
 */
export function compileRules(filter: XFilter, plan: XPlan): string[] {
  const problems: string[] = [];
  const terms = [
    ...filter.keywords.map((keyword) => keywordTerm(keyword, problems)),
    ...filter.users.map((user) => userTerm(user, problems)),
  ];
  const languages = filter.languages.map((language) => languageTerm(language, problems));
  if (terms.length === 0 && languages.length > 0) {
    problems.push(
      "languages alone: X takes lang: only together with something else; add keywords, users or rules",
    );
  }
  const narrowing = languages.length === 0 ? "" : ` ${group(languages)}`;
  const packed = pack(terms, narrowing, plan.ruleLengthMax, problems);
  for (const rule of filter.rules) checkLength(rule, plan, problems);
  const rules = [...new Set([...packed, ...filter.rules])];
  if (rules.length === 0 && problems.length === 0) {
    problems.push("nothing: X streams only what a rule wants; give keywords, users or rules");
  }
  if (rules.length > plan.rulesMax) {
    problems.push(`${rules.length} rules, and the plan has ${plan.rulesMax}: join some with OR`);
  }
  if (problems.length > 0) {
    throw new ConfigError(
      `what is wanted of X cannot be a set of rules:\n${problems.map((each) => `  ${each}`).join("\n")}`,
    );
  }
  return rules;
}

/** As many alternatives into a rule as fit. */
function pack(
  terms: readonly string[],
  narrowing: string,
  lengthMax: number,
  problems: string[],
): string[] {
  const rules: string[] = [];
  let alternatives: string[] = [];
  const ruleOf = (each: readonly string[]) => `${group(each)}${narrowing}`;
  for (const term of new Set(terms)) {
    if (ruleOf([term]).length > lengthMax) {
      problems.push(
        `${shown(term)}: alone it is longer than the ${lengthMax} characters of a rule`,
      );
      continue;
    }
    if (ruleOf([...alternatives, term]).length > lengthMax) {
      rules.push(ruleOf(alternatives));
      alternatives = [];
    }
    alternatives.push(term);
  }
  if (alternatives.length > 0) rules.push(ruleOf(alternatives));
  return rules;
}

function group(terms: readonly string[]): string {
  const [first = "", ...rest] = terms;
  return rest.length === 0 ? first : `(${terms.join(" OR ")})`;
}

/** Words of letters and digits stand bare; tags keep their sign; everything else is quoted. */
function keywordTerm(keyword: string, problems: string[]): string {
  const text = keyword.trim();
  const phrase = /^"([^"]+)"$/.exec(text)?.[1];
  if (phrase !== undefined) return quoted(phrase);
  if (text === "" || text.includes('"')) {
    problems.push(`keyword ${shown(text)}: a quotation mark only at both ends of a phrase`);
    return "";
  }
  const words = text.split(/\s+/).map((word) => (isBare(word) ? word : quoted(word)));
  return words.length === 1 ? (words[0] ?? "") : `(${words.join(" ")})`;
}

/** AND and OR are X's own; what has a colon would be one of its operators. */
function isBare(word: string): boolean {
  return /^[#@$]?[\p{L}\p{N}\p{M}_]+$/u.test(word) && !/^(?:and|or)$/i.test(word);
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\")}"`;
}

function userTerm(user: string, problems: string[]): string {
  const name = user.trim().replace(/^@/, "");
  if (!/^\w{1,20}$/.test(name)) {
    problems.push(`user ${shown(user)}: a handle has letters, digits and _; an id has digits`);
  }
  return `from:${name}`;
}

function languageTerm(language: string, problems: string[]): string {
  const code = language.trim();
  if (!/^[a-z]{2,3}(-[A-Za-z]{2,4})?$/.test(code)) {
    problems.push(`language ${shown(language)}: a code such as en, ja or zh-TW`);
  }
  return `lang:${code}`;
}

function checkLength(rule: string, { ruleLengthMax }: XPlan, problems: string[]): void {
  if (rule.length <= ruleLengthMax) return;
  problems.push(
    `rule ${shown(rule)}: ${rule.length} characters, and the plan allows ${ruleLengthMax}`,
  );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

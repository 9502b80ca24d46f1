import { SqlRefused } from "./refused.ts";
import {
  closing,
  nextIndex,
  quoteLiteral,
  raw,
  render,
  significant,
  splitAt,
  type Token,
} from "./tokens.ts";

type Rewrite = (args: readonly string[], original: readonly Token[][]) => string;

/** Where the functions that PostgreSQL lacks are created. See engine/compatibility.sql.ts. */
export const COMPATIBILITY_SCHEMA = "redshift_compatibility";

// Redshift's functions whose form, not only their name, differs from PostgreSQL's.
const CALLS: Readonly<Record<string, Rewrite>> = {
  NVL: (args) => `COALESCE(${args.join(",")})`,
  NVL2: ([value = "", some = "", none = ""]) =>
    `(CASE WHEN ${value} IS NOT NULL THEN ${some} ELSE ${none} END)`,
  DECODE: decode,
  DATEADD: datePart("dateadd"),
  DATE_ADD: datePart("dateadd"),
  DATEDIFF: datePart("datediff"),
  DATE_DIFF: datePart("datediff"),
  DATE_PART: datePart("date_part"),
  PGDATE_PART: datePart("date_part"),
  LEN: (args) => `length(${args.join(",")})`,
  CHARINDEX: ([needle = "", text = ""]) => `strpos(${text},${needle})`,
  JSON_EXTRACT_PATH_TEXT: jsonPath,
  CONVERT: ([type = "", value = ""]) => `CAST(${value} AS ${type})`,
};

const DATE_PARTS: Readonly<Record<string, string>> = {
  Y: "year",
  YR: "year",
  YRS: "year",
  YEAR: "year",
  YEARS: "year",
  QTR: "quarter",
  QTRS: "quarter",
  QUARTER: "quarter",
  QUARTERS: "quarter",
  MON: "month",
  MONS: "month",
  MONTH: "month",
  MONTHS: "month",
  W: "week",
  WEEK: "week",
  WEEKS: "week",
  D: "day",
  DAY: "day",
  DAYS: "day",
  H: "hour",
  HR: "hour",
  HRS: "hour",
  HOUR: "hour",
  HOURS: "hour",
  M: "minute",
  MIN: "minute",
  MINS: "minute",
  MINUTE: "minute",
  MINUTES: "minute",
  S: "second",
  SEC: "second",
  SECS: "second",
  SECOND: "second",
  SECONDS: "second",
  MS: "millisecond",
  MSEC: "millisecond",
  MILLISECOND: "millisecond",
  MILLISECONDS: "millisecond",
  US: "microsecond",
  USEC: "microsecond",
  MICROSECOND: "microsecond",
  MICROSECONDS: "microsecond",
  DOW: "dow",
  DAYOFWEEK: "dow",
  WEEKDAY: "dow",
  DOY: "doy",
  DAYOFYEAR: "doy",
  EPOCH: "epoch",
};

/**
 * Rewrites the Redshift functions and clauses inside a query: NVL, DECODE, DATEADD, LISTAGG ...,
 * SYSDATE, MINUS, TOP, APPROXIMATE. What PostgreSQL knows passes as it is.
 */
export function rewriteExpressions(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  let limit: string | undefined;
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] as Token;
    if (token.text === "(") {
      const close = closing(tokens, index);
      result.push(token, ...rewriteExpressions(tokens.slice(index + 1, close)));
      if (close < tokens.length) result.push(tokens[close] as Token);
      index = close;
      continue;
    }
    const step = token.kind === "word" ? rewriteWord(tokens, index) : undefined;
    if (step) {
      result.push(...step.tokens);
      index = step.last;
      limit ??= step.limit;
    } else result.push(token);
  }
  if (limit !== undefined) result.push(raw(` LIMIT ${limit}`));
  return result;
}

const SET_OPERATIONS: ReadonlySet<string> = new Set(["UNION", "INTERSECT", "EXCEPT", "MINUS"]);

interface Step {
  readonly tokens: readonly Token[];
  /** Index of the last token that was consumed. */
  readonly last: number;
  readonly limit?: string;
}

function rewriteWord(tokens: readonly Token[], index: number): Step | undefined {
  const token = tokens[index] as Token;
  if (tokens[index - 1]?.text === ".") return undefined;
  const next = nextIndex(tokens, index + 1);
  const follower = tokens[next];
  if (follower?.text === "(") return rewriteCall(tokens, index, next);
  switch (token.key) {
    case "SYSDATE":
      return { tokens: [raw(`${COMPATIBILITY_SCHEMA}.sysdate()`)], last: index };
    case "MINUS":
      return follower?.key === "SELECT" ? { tokens: [raw("EXCEPT")], last: index } : undefined;
    case "APPROXIMATE":
      return follower?.kind === "word" ? { tokens: [], last: index } : undefined;
    case "SELECT":
      return rewriteTop(tokens, index);
    default:
      return token.text.startsWith("#")
        ? { tokens: [raw(`"${token.text.toLowerCase()}"`)], last: index }
        : undefined;
  }
}

function rewriteTop(tokens: readonly Token[], index: number): Step | undefined {
  let at = nextIndex(tokens, index + 1);
  const head: Token[] = [tokens[index] as Token, raw(" ")];
  if (tokens[at]?.key === "DISTINCT" || tokens[at]?.key === "ALL") {
    head.push(tokens[at] as Token, raw(" "));
    at = nextIndex(tokens, at + 1);
  }
  const count = nextIndex(tokens, at + 1);
  if (tokens[at]?.key !== "TOP" || tokens[count]?.kind !== "number") return undefined;
  if (tokens.some(({ key }) => SET_OPERATIONS.has(key))) {
    throw new SqlRefused(
      "TOP beside UNION, INTERSECT or EXCEPT is not run by this stand-in; use LIMIT",
    );
  }
  return { tokens: head, last: count, limit: tokens[count].text };
}

function rewriteCall(tokens: readonly Token[], index: number, open: number): Step | undefined {
  const name = (tokens[index] as Token).key;
  const close = closing(tokens, open);
  const inner = tokens.slice(open + 1, close);
  if (name === "LISTAGG") return listagg(tokens, inner, close);
  const rewrite = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
  if (rewrite === undefined) return undefined;
  const original = splitAt(inner, ",");
  const args = original.map((part) => render(rewriteExpressions(part)).trim());
  return { tokens: [raw(rewrite(args, original))], last: close };
}

/** LISTAGG(x, sep) WITHIN GROUP (ORDER BY ...) is string_agg(x, sep ORDER BY ...). */
function listagg(tokens: readonly Token[], inner: readonly Token[], close: number): Step {
  const [value = [], separator] = splitAt(inner, ",");
  const [first] = significant(value);
  const distinct = first?.key === "DISTINCT";
  const expression = render(
    rewriteExpressions(distinct ? value.slice(value.indexOf(first) + 1) : value),
  ).trim();
  let order = "";
  let last = close;
  const within = nextIndex(tokens, close + 1);
  const group = nextIndex(tokens, within + 1);
  const open = nextIndex(tokens, group + 1);
  if (tokens[within]?.key === "WITHIN" && tokens[group]?.key === "GROUP") {
    last = closing(tokens, open);
    order = ` ${render(rewriteExpressions(tokens.slice(open + 1, last))).trim()}`;
  }
  const glue = separator ? render(rewriteExpressions(separator)).trim() : "''";
  const joined = `${distinct ? "DISTINCT " : ""}(${expression})::varchar(65535), ${glue}${order}`;
  const text = `${COMPATIBILITY_SCHEMA}.listagg_bounded(pg_catalog.string_agg(${joined}))`;
  return { tokens: [raw(text)], last };
}

/** DECODE compares NULL with NULL as equal, which CASE value WHEN does not. */
function decode(args: readonly string[]): string {
  const [value = "", ...rest] = args;
  let text = "(CASE";
  for (let index = 0; index + 1 < rest.length; index += 2) {
    const search = rest[index] ?? "";
    const same = `${value} = ${search} OR (${value} IS NULL AND ${search} IS NULL)`;
    text += ` WHEN ${same} THEN ${rest[index + 1] ?? ""}`;
  }
  return `${text}${rest.length % 2 === 1 ? ` ELSE ${rest.at(-1) ?? "NULL"}` : ""} END)`;
}

/** The last argument may be the flag null_if_invalid instead of a part of the path. */
function jsonPath(args: readonly string[]): string {
  const last = args.at(-1)?.toLowerCase();
  const flagged = last === "true" || last === "false";
  const path = flagged ? args.slice(0, -1) : args;
  return `${COMPATIBILITY_SCHEMA}.json_path(${[flagged ? last : "false", ...path].join(",")})`;
}

function datePart(name: string): Rewrite {
  return (args, original) => {
    const [word] = significant(original[0] ?? []);
    const key = (
      word?.kind === "string" ? word.text.slice(1, -1) : (word?.text ?? "")
    ).toUpperCase();
    const part = DATE_PARTS[key];
    if (part === undefined)
      throw new SqlRefused(`the date part ${key} is not known to this stand-in`);
    const rest = args.slice(1).map((argument) => `(${argument})`);
    return `${COMPATIBILITY_SCHEMA}.${name}(${[quoteLiteral(part), ...rest].join(",")})`;
  };
}

import { SqlRefusedError } from "./errors.ts";
import { functionsOf } from "./functions.ts";
import type { Token } from "./tokens.ts";

/**
 * No parser of Hive's dialect exists outside of Java, so this is not one: it allows a statement by
 * its first words, and within it only calls of listed functions and no word that begins a change
 * of state or a script. That is enough because Hive's grammar (HiveParser.g) lets a statement that
 * begins so change something by INSERT or USING 'script' alone.
 */
const FORBIDDEN = new Set(
  "insert overwrite into transform reduce update delete merge create drop alter load export truncate".split(
    " ",
  ),
);

/** Words that stand before a parenthesis without being a function. */
const NOT_CALLS = new Set(
  (
    "all and any as between by case cluster cube distinct distribute else except exists filter from " +
    "full group having in inner intersect interval is join like minus not on or order outer over " +
    "partition rlike regexp rollup select sets some sort tablesample then union using values when " +
    "where with div"
  ).split(" "),
);

const SHOWS = new Set(
  "tables views databases schemas partitions columns functions create tblproperties".split(" "),
);

const EXPLAINS = new Set("extended formatted cbo cost joincost ast logical dependency".split(" "));

/** Throws SqlRefusedError unless the tokens are one statement of Hive that only reads. */
export function guardHive(tokens: readonly Token[]): void {
  const [first = "", second = ""] = tokens.slice(0, 2).map(wordOf);
  if (first === "show") {
    guardShow(second, tokens);
    return;
  }
  if (first === "describe" || first === "desc") {
    refuseSymbols(tokens);
    return;
  }
  const start = first === "explain" ? explained(tokens) : 0;
  guardQuery(tokens.slice(start));
}

function explained(tokens: readonly Token[]): number {
  const start = tokens.findIndex((token, index) => index > 0 && !EXPLAINS.has(wordOf(token)));
  if (start < 0) throw new SqlRefusedError("EXPLAIN explains nothing");
  return start;
}

function guardQuery(tokens: readonly Token[]): void {
  const first = wordOf(tokens.find(({ text }) => text !== "("));
  if (first !== "select" && first !== "with") {
    throw new SqlRefusedError(
      `only SELECT, WITH, SHOW, DESCRIBE and EXPLAIN of these are allowed, but the statement begins with ${tokens[0]?.text ?? "nothing"}`,
    );
  }
  tokens.forEach((token, index) => {
    const word = wordOf(token);
    const next = tokens[index + 1];
    if (FORBIDDEN.has(word)) {
      throw new SqlRefusedError(
        `${token.text} at ${token.at} is not allowed: queries only read (a column of this name needs backticks)`,
      );
    }
    // TRANSFORM, MAP and REDUCE all name their program in a USING clause.
    if (word === "using" && next?.kind === "string") {
      throw new SqlRefusedError(`USING at ${token.at} would run a script`);
    }
    if (next?.text === "(" && next.kind === "symbol") guardCall(token, tokens[index - 1]);
  });
}

function guardCall(token: Token, before: Token | undefined): void {
  if (token.kind !== "word" && token.kind !== "quoted") return;
  const name = token.kind === "word" ? wordOf(token) : token.text.slice(1, -1).toLowerCase();
  if (token.kind === "word" && NOT_CALLS.has(name)) return;
  if (before?.text === "." || !functionsOf.hive.has(name)) {
    throw new SqlRefusedError(
      `the function ${before?.text === "." ? "of a database, " : ""}${token.text}, at ${token.at} is not one that queries may call`,
    );
  }
}

function guardShow(what: string, tokens: readonly Token[]): void {
  if (!SHOWS.has(what) || (what === "create" && wordOf(tokens[2]) !== "table")) {
    throw new SqlRefusedError(
      `SHOW ${what.toUpperCase()} is not allowed; SHOW TABLES, DATABASES, PARTITIONS, COLUMNS, FUNCTIONS, TBLPROPERTIES and CREATE TABLE are`,
    );
  }
  if (what !== "partitions" && what !== "tblproperties") refuseSymbols(tokens);
}

/** What describes has names, strings and dots; parentheses would be something else. */
function refuseSymbols(tokens: readonly Token[]): void {
  const odd = tokens.find(
    ({ kind, text }) => kind === "symbol" && ![".", "=", ",", "*", "|", "$"].includes(text),
  );
  if (odd) throw new SqlRefusedError(`${odd.text} at ${odd.at} has no place in this statement`);
}

/** The word in lower case; "" for any other token. */
function wordOf(token: Token | undefined): string {
  return token?.kind === "word" ? token.text.toLowerCase() : "";
}

import { SqlRefusedError } from "./errors.ts";
import { isHiveFunction } from "./functions.ts";
import { walkQuery, type Dialect } from "./query-shape.ts";
import { isSymbol, wordOf, type Token } from "./tokens.ts";

/**
 * No parser of Hive's dialect exists outside of Java, so this is not one: it allows a statement by
 * its first words, and within it only calls of listed functions and no word that begins a change
 * of state or a script. That is enough because by Hive's grammar (HiveParser.g, FromClauseParser.g,
 * SelectClauseParser.g) a statement that begins so changes something by INSERT, or runs a program
 * by a MAP, REDUCE or TRANSFORM clause with its USING; all five are reserved words.
 */
const FORBIDDEN = new Set(
  "insert overwrite into transform reduce update delete merge create drop alter truncate".split(
    " ",
  ),
);

const dialect: Dialect = {
  notCalls: new Set(
    (
      "all and any as between by case cube distinct div else except exists filter for from group " +
      "having in intersect interval is join like limit minus not offset on or order over qualify " +
      "regexp rlike rollup select sets some table tablesample then union using values when where with"
    ).split(" "),
  ),
  isFunction: isHiveFunction,
  // LATERAL VIEW [OUTER] explode(...)
  beforeTableFunction: new Set(["view", "outer"]),
  checkWord(tokens, index) {
    const word = wordOf(tokens[index]);
    const next = tokens[index + 1];
    // map(...) makes a map, and map<...> is its type.
    const isScript = word === "map" && !isSymbol(next, "(") && !isSymbol(next, "<");
    if (!isScript && !FORBIDDEN.has(word)) return;
    throw new SqlRefusedError(
      `${word.toUpperCase()} at ${tokens[index]?.at ?? 0} is not allowed: queries only read ` +
        "(a column of this name needs backticks)",
    );
  },
};

/** SHOW with these words; none of them changes or reveals settings. */
const SHOWS: readonly (readonly string[])[] = [
  ["tables"],
  ["table", "extended"],
  ["views"],
  ["materialized", "views"],
  ["databases"],
  ["schemas"],
  ["partitions"],
  ["columns"],
  ["sorted", "columns"],
  ["functions"],
  ["tblproperties"],
  ["create", "table"],
  ["create", "database"],
  ["create", "view"],
  ["locks"],
  ["transactions"],
  ["compactions"],
  ["roles"],
  ["current", "roles"],
  ["role", "grant"],
  ["grant"],
];

/** Kinds of EXPLAIN that do not run the statement, as ANALYZE and REOPTIMIZATION do. */
const EXPLAINS = new Set(
  (
    "extended formatted cbo cost joincost ast logical dependency authorization locks vectorization " +
    "only summary operator expression detail ddl"
  ).split(" "),
);

/** Throws SqlRefusedError unless the tokens are one statement of Hive that only reads. */
export function guardHive(tokens: readonly Token[]): void {
  const first = wordOf(tokens[0]);
  if (first === "show") guardShow(tokens);
  else if (first === "describe" || first === "desc") guardDescribe(tokens);
  else guardQuery(first === "explain" ? explained(tokens) : tokens);
}

function explained(tokens: readonly Token[]): readonly Token[] {
  const start = tokens.findIndex((token, index) => index > 0 && !EXPLAINS.has(wordOf(token)));
  if (start < 0) throw new SqlRefusedError("EXPLAIN explains nothing");
  return tokens.slice(start);
}

function guardQuery(tokens: readonly Token[]): void {
  const first = wordOf(tokens.find((token) => !isSymbol(token, "(")));
  if (first !== "select" && first !== "with" && first !== "from") {
    throw new SqlRefusedError(
      "only SELECT, WITH, FROM ... SELECT, SHOW, DESCRIBE and EXPLAIN of these are allowed, but the " +
        `statement begins with ${tokens[0]?.text ?? "nothing"}`,
    );
  }
  walkQuery(tokens, dialect);
}

function guardShow(tokens: readonly Token[]): void {
  const isListed = SHOWS.some((words) =>
    words.every((word, index) => wordOf(tokens[index + 1]) === word),
  );
  if (!isListed) {
    throw new SqlRefusedError(
      `SHOW ${wordOf(tokens[1]).toUpperCase()} is not allowed; these are: ` +
        SHOWS.map((words) => words.join(" ").toUpperCase()).join(", "),
    );
  }
  guardNames(withoutProperty(tokens), catalogDialect);
}

/** SHOW TBLPROPERTIES t ('name'): what is in the parentheses is a string and nothing else. */
function withoutProperty(tokens: readonly Token[]): readonly Token[] {
  const [open, name, close] = tokens.slice(-3);
  const hasProperty =
    wordOf(tokens[1]) === "tblproperties" &&
    isSymbol(open, "(") &&
    name?.kind === "string" &&
    isSymbol(close, ")");
  return hasProperty ? tokens.slice(0, -3) : tokens;
}

/** DESCRIBE [FORMATTED] t PARTITION (dt = '...') column. */
function guardDescribe(tokens: readonly Token[]): void {
  guardNames(tokens, { ...catalogDialect, isFunction: () => false });
}

function guardNames(tokens: readonly Token[], names: Dialect): void {
  walkQuery(tokens, names, "other");
  const named = tokens.find(
    ({ kind }, index) => kind === "parameter" && isSymbol(tokens[index + 1], "="),
  );
  if (named) {
    throw new SqlRefusedError(
      `${named.text} at ${named.at} stands where the name of a column does`,
    );
  }
}

/** What SHOW and DESCRIBE may hold: SHOW PARTITIONS t PARTITION (...) WHERE (...). */
const catalogDialect: Dialect = {
  ...dialect,
  notCalls: new Set("partition where and or not in like".split(" ")),
  checkWord(tokens, index) {
    if (wordOf(tokens[index]) !== "select") return;
    throw new SqlRefusedError(`SELECT at ${tokens[index]?.at ?? 0} has no place in this statement`);
  },
};

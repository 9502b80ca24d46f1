import { SqlRefusedError } from "./errors.ts";
import { isRedshiftFunction } from "./functions.ts";
import { walkQuery, type Dialect } from "./query-shape.ts";
import { isSymbol, nameOf, wordOf, type Token } from "./tokens.ts";

/**
 * Redshift's grammar has grown away from PostgreSQL's: a parser of the latter knows neither QUALIFY
 * nor PIVOT, TOP, IGNORE NULLS or navigation into SUPER. So the same argument is used as for Hive: a
 * statement that begins with SELECT or WITH writes by INTO, or by a common table expression that is
 * an INSERT, UPDATE, DELETE or MERGE (in PostgreSQL), or by a function.
 */
const FORBIDDEN = new Set("insert update delete merge into".split(" "));

const dialect: Dialect = {
  notCalls: new Set(
    (
      "all and any as between by case cube distinct else except exclude exists filter for from " +
      "group having ilike in intersect interval is join like limit minus not nulls offset on or " +
      "order over pivot qualify rollup select sets some then to union unpivot using values when " +
      "where with"
    ).split(" "),
  ),
  isFunction: isRedshiftFunction,
  // x.f may be read as f(x) there, and functions of tables are those of the leader node only.
  beforeTableFunction: new Set(),
  checkWord(tokens, index) {
    const word = wordOf(tokens[index]);
    const locks =
      word === "for" && ["update", "share", "no", "key"].includes(wordOf(tokens[index + 1]));
    if ((!locks && !FORBIDDEN.has(word)) || isColumn(tokens, index)) return;
    throw new SqlRefusedError(
      `${locks ? "FOR, which takes locks," : word.toUpperCase()} at ${tokens[index]?.at ?? 0} is not ` +
        "allowed: queries only read (a column of this name needs double quotes)",
    );
  },
};

/** t.delete, and AS delete; INTO is reserved, so that it is neither. */
function isColumn(tokens: readonly Token[], index: number): boolean {
  if (wordOf(tokens[index]) === "into" || isSymbol(tokens[index + 1], "(")) return false;
  if (wordOf(tokens[index - 1]) === "as") return true;
  const owner = tokens[index - 2];
  return isSymbol(tokens[index - 1], ".") && (owner?.kind === "word" || owner?.kind === "quoted");
}

/** Functions whose value is SUPER, in which a dot can only be navigation. */
const SUPER_VALUED = new Set(
  (
    "json_parse object object_transform array array_concat array_flatten subarray split_to_array " +
    "lower_attribute_names upper_attribute_names get_value_by_key"
  ).split(" "),
);

/** Functions of the system with effects and one argument; a second wall, for arrays of PostgreSQL. */
const SYSTEM_NAME =
  /^(?:pg_|lo_|txid_|dblink|brin_|gin_clean|binary_upgrade|ts_stat$|nextval$|currval$)/i;

/** Throws SqlRefusedError unless the tokens are one statement of Redshift that only reads. */
export function guardRedshift(tokens: readonly Token[]): void {
  const first = wordOf(tokens[0]);
  if (first === "show") {
    guardShow(tokens);
    return;
  }
  const query = first === "explain" ? explained(tokens) : tokens;
  const begins = wordOf(query.find((token) => !isSymbol(token, "(")));
  if (begins !== "select" && begins !== "with") {
    throw new SqlRefusedError(
      "only SELECT, WITH, SHOW and EXPLAIN of these are allowed, but the statement begins with " +
        (query[0]?.text ?? "nothing"),
    );
  }
  walkQuery(query, dialect);
  query.forEach((_, index) => guardNavigation(query, index));
}

/** EXPLAIN [VERBOSE]; with ANALYZE or parentheses it is not Redshift's, and would run the statement. */
function explained(tokens: readonly Token[]): readonly Token[] {
  return tokens.slice(wordOf(tokens[1]) === "verbose" ? 2 : 1);
}

/** SHOW has names, strings and dots; parentheses would be something else. */
function guardShow(tokens: readonly Token[]): void {
  if (tokens.length < 2) throw new SqlRefusedError("SHOW shows nothing");
  const odd = tokens.find(({ kind, text }) => kind === "symbol" && ![".", ","].includes(text));
  if (odd) throw new SqlRefusedError(`${odd.text} at ${odd.at} has no place in SHOW`);
  walkQuery(tokens, dialect, "other");
}

/**
 * `(x).f` calls the function f with x as `f(x)` does, in PostgreSQL for any x. So a dot behind a
 * parenthesis is allowed where it navigates in a SUPER only, and arrays of PostgreSQL, `array[...]`
 * and `::text[]`, which Redshift does not have, are refused.
 */
function guardNavigation(tokens: readonly Token[], index: number): void {
  const token = tokens[index];
  const before = tokens[index - 1];
  const makesArray =
    isSymbol(token, "[") && (wordOf(before) === "array" || isSymbol(tokens[index + 1], "]"));
  if (makesArray) {
    throw new SqlRefusedError(
      `[ at ${token?.at ?? 0} makes an array, which Redshift does not have`,
    );
  }
  if (!isSymbol(token, ".") || before?.kind !== "symbol") return;
  const name = nameOf(tokens[index + 1]);
  const navigates =
    before.text === "]" || (before.text === ")" && SUPER_VALUED.has(calledAt(tokens, index - 1)));
  if (navigates && !SYSTEM_NAME.test(name)) return;
  throw new SqlRefusedError(
    `.${name} at ${token?.at ?? 0} behind ${before.text} may be read as a call of ${name}; ` +
      "navigate from the name of a column",
  );
}

/** The function whose parentheses close at `close`, or "". */
function calledAt(tokens: readonly Token[], close: number): string {
  let depth = 0;
  for (let index = close; index > 0; index -= 1) {
    if (isSymbol(tokens[index], ")")) depth += 1;
    if (isSymbol(tokens[index], "(")) depth -= 1;
    if (depth === 0) return wordOf(tokens[index - 1]);
  }
  return "";
}

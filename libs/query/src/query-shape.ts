import { SqlRefusedError } from "./errors.ts";
import { isSymbol, nameOf, wordOf, type Token } from "./tokens.ts";

/**
 * What a walk over the tokens of a query has to know of a dialect. The walk finds out what each
 * parenthesis belongs to; whatever is neither grammar nor a listed function is refused.
 */
export interface Dialect {
  /** Words that stand before a parenthesis without being a function. */
  readonly notCalls: ReadonlySet<string>;
  readonly isFunction: (name: string) => boolean;
  /** Words before a function that may stand in FROM. */
  readonly beforeTableFunction: ReadonlySet<string>;
  /** Throws for a word that no query holds. */
  readonly checkWord: (tokens: readonly Token[], index: number) => void;
}

/** What a parenthesis (or, at the bottom, the statement) holds. */
interface Frame {
  kind: "query" | "join" | "call" | "other";
  /** Where in a FROM clause the walk is: where a table stands, or in the condition of a join. */
  from: "no" | "tables" | "condition";
  /** Where in a WITH clause: before the name of a common table expression, before its body. */
  with: "no" | "name" | "body" | "next";
}

/** Reserved words that end FROM with its joins; another query may begin with one. */
const AFTER_FROM = new Set(
  "where group having order limit offset union except intersect select".split(" "),
);

/**
 * The same, but not reserved everywhere: a table may have such an alias, and another table may
 * follow behind a comma, which none of these clauses has.
 */
const PERHAPS_AFTER_FROM = new Set("qualify window connect start fetch".split(" "));

/** The same with BY behind them. */
const SORTS = new Set(["sort", "cluster", "distribute"]);

/** Words after which a value begins. Only there, and after symbols, a parameter may stand. */
const BEFORE_VALUE = new Set(
  (
    "select distinct all where and or not on having when then else case between like ilike rlike " +
    "regexp to escape limit offset by interval date timestamp div top rows range zone prior"
  ).split(" "),
);

/** The same within the parentheses of a function: extract(day FROM x), substring(x FROM 1 FOR 2). */
const BEFORE_ARGUMENT = new Set(["from", "for", "both", "leading", "trailing", "in"]);

const BEFORE_TABLE = new Set("lateral only rows natural cross inner left right full".split(" "));

const QUERY_STARTS = new Set(["select", "with", "from", "values"]);

/**
 * Throws SqlRefusedError unless every call in the tokens is of a listed function, no function
 * stands where a table does, and every parameter where a value does.
 *
 * @param kind "query" when the tokens are one, "other" for SHOW and the like
 */
export function walkQuery(
  tokens: readonly Token[],
  dialect: Dialect,
  kind: "query" | "other" = "query",
): void {
  const frames: Frame[] = [frameOf(kind)];
  tokens.forEach((token, index) => {
    const frame = frames.at(-1) ?? frameOf(kind);
    if (token.kind === "parameter") checkPlace(tokens, index, frame);
    if (token.kind === "word") {
      dialect.checkWord(tokens, index);
      if (wordOf(token) === "using") checkUsing(tokens, index, frame);
    }
    if (isSymbol(token, "(")) frames.push(open(tokens, index, frame, dialect));
    else if (isSymbol(token, ")")) frames.pop();
    else move(tokens, index, frame);
  });
}

function frameOf(kind: Frame["kind"]): Frame {
  return { kind, from: kind === "join" ? "tables" : "no", with: "no" };
}

/** Follows the clauses of a query. */
function move(tokens: readonly Token[], index: number, frame: Frame): void {
  const token = tokens[index];
  // ((SELECT ...) UNION SELECT ...) as a value: only now it is known to be a query.
  if (wordOf(token) === "select" && !isSymbol(tokens[index - 1], ".")) frame.kind = "query";
  if (frame.kind !== "query" && frame.kind !== "join") return;
  if (isSymbol(token, ",")) {
    if (frame.with === "next") frame.with = "name";
    if (frame.from === "condition") frame.from = "tables";
    return;
  }
  const word = tokens[index - 1]?.text === "." ? "" : wordOf(token);
  if (word === "with" && isStart(tokens, index)) {
    frame.with = "name";
    return;
  }
  if (frame.with !== "no") {
    if (frame.with === "name" && word === "as") frame.with = "body";
    else if (frame.with === "next") frame.with = "no";
  }
  if (frame.with !== "no") return;
  if (word === "join" || (word === "from" && !isDistinctFrom(tokens, index))) frame.from = "tables";
  else if (endsFrom(word, wordOf(tokens[index + 1]))) frame.from = "no";
  else if (frame.from === "tables" && (word === "on" || PERHAPS_AFTER_FROM.has(word))) {
    frame.from = "condition";
  }
}

function endsFrom(word: string, next: string): boolean {
  return AFTER_FROM.has(word) || (SORTS.has(word) && next === "by");
}

/** a IS [NOT] DISTINCT FROM b */
function isDistinctFrom(tokens: readonly Token[], index: number): boolean {
  return (
    wordOf(tokens[index - 1]) === "distinct" && ["is", "not"].includes(wordOf(tokens[index - 2]))
  );
}

function isStart(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return before === undefined || isSymbol(before, "(");
}

/** What the parenthesis at `index` holds. */
function open(tokens: readonly Token[], index: number, frame: Frame, dialect: Dialect): Frame {
  const next = tokens[index + 1];
  const holdsQuery = QUERY_STARTS.has(wordOf(next));
  if (frame.with === "body") {
    frame.with = "next";
    if (holdsQuery || isSymbol(next, "(")) return frameOf("query");
    throw refusedAt(next, "does not begin a query, as what WITH names must");
  }
  const kind = kindOf(tokens, index, frame, dialect);
  return frameOf(holdsQuery ? "query" : kind);
}

function kindOf(
  tokens: readonly Token[],
  index: number,
  frame: Frame,
  dialect: Dialect,
): Frame["kind"] {
  const before = tokens[index - 1];
  if (before === undefined) return "query";
  if (before.kind === "symbol") {
    if ([")", "]", ".", "::"].includes(before.text)) {
      throw refusedAt(tokens[index], `has no place behind ${before.text}`);
    }
    return inherited(frame, before);
  }
  if (before.kind !== "word" && before.kind !== "quoted") {
    throw refusedAt(tokens[index], `has no place behind ${before.text}`);
  }
  // a.id(+) is an outer join.
  if (isSymbol(tokens[index + 1], "+") && isSymbol(tokens[index + 2], ")")) return "other";
  if (isGrammar(tokens, index - 1, dialect)) return inherited(frame, before);
  if (isNaming(tokens, index, frame)) return "other";
  checkCall(tokens, index - 1, frame, dialect);
  return "call";
}

/** Within FROM, parentheses may hold tables and joins again; elsewhere a query may be within several. */
function inherited(frame: Frame, before: Token): Frame["kind"] {
  const word = wordOf(before);
  if (frame.from === "tables" && (word === "from" || word === "join" || before.kind === "symbol")) {
    return "join";
  }
  return "other";
}

/** True for a word before a parenthesis that is a part of the grammar there. */
function isGrammar(tokens: readonly Token[], at: number, dialect: Dialect): boolean {
  const word = wordOf(tokens[at]);
  if (!dialect.notCalls.has(word) || isSymbol(tokens[at - 1], ".")) return false;
  const before = tokens[at - 1];
  // Words that are not reserved: in another place they would be functions of that name.
  switch (word) {
    case "filter":
      return isSymbol(before, ")");
    case "over":
      return isSymbol(before, ")") || wordOf(before) === "nulls";
    case "sets":
      return wordOf(before) === "grouping";
    case "exclude":
      return isSymbol(before, "*");
    case "nulls":
      return ["include", "exclude"].includes(wordOf(before));
    case "minus":
      return ["(", "select", "with", "from"].includes(tokens[at + 2]?.text.toLowerCase() ?? "");
    // PostgreSQL's grammar has these as names of functions too, where no operand is before them.
    case "ilike":
    case "like":
      return endsExpression(before, dialect) || wordOf(before) === "not";
    case "join":
      return endsExpression(before, dialect) || BEFORE_TABLE.has(wordOf(before));
    case "is":
    case "pivot":
    case "unpivot":
    case "qualify":
      return endsExpression(before, dialect);
    default:
      return true;
  }
}

/** True where a name, a literal or a parenthesis ends: no value and no table can begin behind it. */
function endsExpression(token: Token | undefined, dialect: Dialect): boolean {
  if (token === undefined) return false;
  if (token.kind === "symbol") return token.text === ")" || token.text === "]";
  const word = wordOf(token);
  return !dialect.notCalls.has(word) && !BEFORE_VALUE.has(word) && !BEFORE_TABLE.has(word);
}

/** WITH name (a, b) AS (...), and within FROM: t AS u (a, b). */
function isNaming(tokens: readonly Token[], index: number, frame: Frame): boolean {
  const close = afterNames(tokens, index + 1);
  if (close === undefined) return false;
  if (frame.with === "name") return wordOf(tokens[close + 1]) === "as";
  if (frame.from !== "tables") return false;
  const before = tokens[index - 2];
  if (isSymbol(before, ")") || wordOf(before) === "as") return true;
  let start = index - 2;
  if (before?.kind !== "word" && before?.kind !== "quoted") return false;
  while (isSymbol(tokens[start - 1], ".")) start -= 2;
  const opener = tokens[start - 1];
  return ["from", "join"].includes(wordOf(opener)) || isSymbol(opener, ",");
}

/** Where the parenthesis closes behind nothing but names, or undefined. */
function afterNames(tokens: readonly Token[], from: number): number | undefined {
  for (let index = from; ; index += 2) {
    const kind = tokens[index]?.kind;
    if (kind !== "word" && kind !== "quoted") return undefined;
    if (isSymbol(tokens[index + 1], ")")) return index + 1;
    if (!isSymbol(tokens[index + 1], ",")) return undefined;
  }
}

function checkCall(tokens: readonly Token[], at: number, frame: Frame, dialect: Dialect): void {
  const token = tokens[at];
  const ofDatabase = isSymbol(tokens[at - 1], ".");
  if (ofDatabase || !dialect.isFunction(nameOf(token))) {
    const what = ofDatabase ? `of a database, ${token?.text ?? ""},` : (token?.text ?? "");
    throw new SqlRefusedError(
      `the function ${what} at ${token?.at ?? 0} is not one that queries may call`,
    );
  }
  if (frame.from === "tables" && !dialect.beforeTableFunction.has(wordOf(tokens[at - 1]))) {
    // The name of such a row, x.f, may be read as f(x), for any f there is.
    throw refusedAt(token, "is a function where a table stands, which is not allowed");
  }
}

/** JOIN ... USING (a, b); any other USING names a program (Hive) or an operator. */
function checkUsing(tokens: readonly Token[], index: number, frame: Frame): void {
  const names = isSymbol(tokens[index + 1], "(") && afterNames(tokens, index + 2) !== undefined;
  if (names && frame.from === "tables") return;
  throw refusedAt(
    tokens[index],
    "is allowed for the columns of a JOIN only, as USING (a, b); elsewhere it would run a script",
  );
}

function checkPlace(tokens: readonly Token[], index: number, frame: Frame): void {
  const parameter = tokens[index];
  const before = tokens[index - 1];
  const after = tokens[index + 1];
  const word = wordOf(before);
  const afterValueStart =
    before?.kind === "symbol"
      ? ![")", "]", ".", "::"].includes(before.text)
      : BEFORE_VALUE.has(word) ||
        (frame.kind === "call" && BEFORE_ARGUMENT.has(word)) ||
        (word === "from" && isDistinctFrom(tokens, index - 1));
  const goesOn =
    after?.kind === "string" ||
    after?.kind === "parameter" ||
    after?.kind === "number" ||
    ["(", ".", "["].some((text) => isSymbol(after, text));
  const isName = frame.from === "tables" || frame.with !== "no";
  if (afterValueStart && !goesOn && !isName) return;
  throw refusedAt(
    parameter,
    "stands where no value may: parameters are values, never names or programs",
  );
}

function refusedAt(token: Token | undefined, why: string): SqlRefusedError {
  return new SqlRefusedError(`${token?.text ?? "the end"} at ${token?.at ?? 0} ${why}`);
}

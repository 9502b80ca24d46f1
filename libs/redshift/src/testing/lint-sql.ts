import { lintShape } from "./lint-shape.ts";
import { reservedWords } from "./reserved-words.ts";
import { closingOf, sqlTokens, type SqlToken } from "./sql-tokens.ts";
import { FOREIGN, FUNCTIONS, KEYWORDS, SYSTEM_VIEWS, TYPES } from "./sql-vocabulary.ts";

/** Bytes of a statement that the Data API takes (ValidationException beyond). */
export const STATEMENT_BYTES_MAX = 100_000;
/** Statements of a BatchExecuteStatement (Data API Reference: `Sqls`). */
export const BATCH_STATEMENTS_MAX = 40;
/** Bytes of a name (AWS: "Names and identifiers"). */
const NAME_BYTES_MAX = 127;
/** Bytes of a literal: the longest VARCHAR. */
const LITERAL_BYTES_MAX = 65_535;
const BIGINT_MAX = 2n ** 63n - 1n;

/**
 * What Redshift would not take in a statement that we generate, by words: the list is empty when it
 * would. It knows the words, types, functions and shapes that our statements have and no others, so
 * a statement of a new kind is a problem until the vocabulary names what it uses.
 *
 * - names are quoted, 1 to 127 bytes; no reserved word stands bare where a name may stand
 * - one statement of at most 100,000 bytes, no literal over 65,535 bytes, no backslash in one
 * - sums are of DECIMAL(38,0), since the SUM of a BIGINT is a BIGINT that overflows
 * - MERGE, DELETE, INSERT, UPDATE, COPY, LOCK and CREATE TABLE have Redshift's grammar
 */
export function lintRedshiftSql(sql: string): string[] {
  const bytes = Buffer.byteLength(sql);
  const tokens = sqlTokens(sql);
  const problems = [
    ...(bytes > STATEMENT_BYTES_MAX ? [`${bytes} bytes; ${STATEMENT_BYTES_MAX} are allowed`] : []),
    ...tokens.flatMap((token, index) => lintToken(tokens, token, index)),
    ...lintParentheses(tokens),
    ...tokens.flatMap((_, index) => (isCall(tokens, index, "SUM") ? lintSum(tokens, index) : [])),
    ...lintShape(tokens),
  ];
  return [...new Set(problems)];
}

/** The same for the statements of one BatchExecuteStatement, with its own limits. */
export function lintRedshiftBatch(sqls: readonly string[]): string[] {
  const count =
    sqls.length < 1 || sqls.length > BATCH_STATEMENTS_MAX
      ? [`${sqls.length} statements; a batch has 1 to ${BATCH_STATEMENTS_MAX}`]
      : [];
  const problems = sqls.flatMap((sql, index) =>
    lintRedshiftSql(sql).map((problem) => `statement ${index + 1}: ${problem}: ${excerpt(sql)}`),
  );
  return [...count, ...problems];
}

function lintToken(tokens: readonly SqlToken[], token: SqlToken, index: number): string[] {
  switch (token.kind) {
    case "broken":
      return [`${JSON.stringify(token.text)} is no SQL: is a quote not closed?`];
    case "string":
      return lintString(token.text);
    case "name":
      return lintName(token.key);
    case "number":
      return /^\d+$/.test(token.text) && BigInt(token.text) > BIGINT_MAX
        ? [`${token.text} does not fit a BIGINT`]
        : [];
    case "word":
      return lintWord(tokens, token.key, index);
    case "parameter":
      return [];
    case "symbol":
      if (token.text === ";") return ["`;`: a statement is one"];
      return token.text === "[" || token.text === "]" ? ["arrays are not supported on tables"] : [];
  }
}

function lintString(text: string): string[] {
  const bytes = Buffer.byteLength(text) - 2;
  return [
    ...(text.includes("\\") ? [`the backslash in ${excerpt(text)} is an escape in Redshift`] : []),
    ...(bytes > LITERAL_BYTES_MAX ? [`a literal of ${bytes} bytes`] : []),
  ];
}

function lintName(name: string): string[] {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) return ["a quoted name is empty"];
  // Unless a session says otherwise, Redshift folds quoted names too.
  const folded = name === name.toLowerCase() ? [] : [`"${name}" is not in lower case`];
  return bytes > NAME_BYTES_MAX ? [`the name ${excerpt(name)} has ${bytes} bytes`] : folded;
}

function lintWord(tokens: readonly SqlToken[], word: string, index: number): string[] {
  const foreign = FOREIGN.get(word);
  if (foreign !== undefined) return [`Redshift has no ${foreign}`];
  const before = tokens[index - 1];
  if (before?.text === ".") return [unquoted(word)];
  if (tokens[index + 1]?.text === "(" && FUNCTIONS.has(word)) return [];
  if (before?.key === "AS" && !followsAs(tokens, index)) return [unquoted(word)];
  if (TYPES.has(word)) return isTypePlace(tokens, index) ? [] : [unquoted(word)];
  if (KEYWORDS.has(word) || SYSTEM_VIEWS.has(word)) return [];
  // The unit of a date function stands bare within its parentheses.
  if (FUNCTIONS.has(word) && (before?.text === "(" || before?.text === ",")) return [];
  return [unquoted(word)];
}

function unquoted(word: string): string {
  const name = word.toLowerCase();
  return reservedWords.has(word)
    ? `the reserved word ${name} must be quoted to be a name`
    : `${name} is no word of ours: quote it if it is a name`;
}

/** After AS stands a quoted name, a type within CAST, the query of CREATE TABLE, or a format. */
function followsAs(tokens: readonly SqlToken[], index: number): boolean {
  const word = tokens[index]?.key ?? "";
  if (tokens[index - 2]?.key === "FORMAT") return word === "PARQUET";
  return TYPES.has(word) || word === "SELECT";
}

/** A type stands after a column's name, after AS in CAST, or after `::`. */
function isTypePlace(tokens: readonly SqlToken[], index: number): boolean {
  const before = tokens[index - 1];
  return before?.kind === "name" || before?.key === "AS" || before?.text === "::";
}

function lintParentheses(tokens: readonly SqlToken[]): string[] {
  let depth = 0;
  for (const { text } of tokens) {
    if (text === "(") depth += 1;
    if (text === ")" && --depth < 0) return ["a parenthesis closes what was not opened"];
  }
  return depth === 0 ? [] : ["a parenthesis is not closed"];
}

function isCall(tokens: readonly SqlToken[], index: number, name: string): boolean {
  return tokens[index]?.key === name && tokens[index + 1]?.text === "(";
}

function lintSum(tokens: readonly SqlToken[], index: number): string[] {
  const end = closingOf(tokens, index + 1);
  const inner = tokens.slice(index + 2, end);
  const whole = isCall(inner, 0, "CAST") && closingOf(inner, 1) === inner.length - 1;
  const type = inner
    .slice(-8)
    .map(({ key }) => key)
    .join("");
  if (whole && type.endsWith("ASDECIMAL(38,0))")) return [];
  return ["SUM of what is not CAST(... AS DECIMAL(38,0)) overflows"];
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

import { SqlRefusedError } from "./errors.ts";

export type Engine = "hive" | "redshift";

export type TokenKind = "word" | "quoted" | "string" | "number" | "parameter" | "symbol";

export interface Token {
  readonly kind: TokenKind;
  /** As in the statement; of a parameter with its colon. */
  readonly text: string;
  /** True when white space or a comment stood before it. */
  readonly spaced: boolean;
  /** Character position in the statement. */
  readonly at: number;
}

/** Parentheses deeper than this are refused: no query needs them, and parsers recurse over them. */
const DEPTH_MAX = 200;

/**
 * What each kind of token looks like. Where the engines' own lexers could disagree with these about
 * where a token ends, the statement is refused.
 */
const PATTERNS: Readonly<Record<Engine, readonly (readonly [TokenKind, RegExp])[]>> = {
  hive: [
    ["string", /'(?:[^'\\]|\\.)*'/sy],
    // Hive takes double quotes for strings.
    ["string", /"(?:[^"\\]|\\.)*"/sy],
    ["quoted", /`(?:[^`]|``)*`/sy],
    // `1.5using` would be a number and a word to Hive: neither reading is accepted.
    [
      "number",
      /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:[bB][dD]|[lLsSyYdDfFbBkKmMgG])?(?![\w.\p{L}])/uy,
    ],
    ["word", /(?=\d*[\p{L}_])[\w\p{L}\p{M}\p{N}]+/uy],
    ["parameter", /:[A-Za-z_][A-Za-z_0-9]*/y],
    ["symbol", /<=>|<>|<=|>=|!=|==|\|\||&&|[-+*/%=<>(),.[\]&|^~!]/y],
  ],
  redshift: [
    ["string", /'(?:[^']|'')*'/sy],
    ["quoted", /"(?:[^"]|"")*"/sy],
    ["number", /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.\u0080-\uffff])/y],
    ["word", /[A-Za-z_\u0080-\uffff][A-Za-z_0-9$\u0080-\uffff]*/y],
    ["symbol", /::|<>|<=|>=|!=|\|\||[-+*/%=<>(),.[\]&|^~!#@]/y],
    ["parameter", /:[A-Za-z_][A-Za-z_0-9]*/y],
  ],
};

const SPACE = /[ \t\r\n\f]+/y;
const LINE_COMMENT = /--[^\r\n]*/y;
const BLOCK_COMMENT = /\/\*(?:[^*]|\*(?!\/))*\*\//sy;
const ESCAPED_STRING = /'(?:[^'\\]|\\.|'')*'/sy;

/**
 * Cuts a statement into tokens, without white space, comments and one semicolon at its end.
 *
 * @throws SqlRefusedError for several statements, and for text that two readers could read differently
 */
export function tokenize(engine: Engine, sql: string): Token[] {
  refuseAmbiguous(engine, sql);
  const tokens: Token[] = [];
  let at = 0;
  let spaced = false;
  while (at < sql.length) {
    const skipped = blankAt(sql, at);
    if (skipped > 0) {
      at += skipped;
      spaced = true;
      continue;
    }
    if (sql[at] === ";") {
      if (onlyBlank(sql, at + 1)) break;
      throw new SqlRefusedError(
        `only one statement is allowed, but there is a second one at ${at}`,
      );
    }
    const token = tokenAt(engine, sql, at, spaced);
    tokens.push(token);
    at += token.text.length;
    spaced = false;
  }
  if (tokens.length === 0) throw new SqlRefusedError("the statement is empty");
  checkParentheses(tokens);
  return tokens;
}

/** The text of tokens, with one space where there was any; comments are gone. */
export function joinTokens(
  tokens: readonly Token[],
  textOf: (token: Token) => string = ({ text }) => text,
): string {
  return tokens
    .map((token, index) => (token.spaced && index > 0 ? ` ${textOf(token)}` : textOf(token)))
    .join("");
}

/** The word in lower case, of its ASCII letters only, as engines compare keywords; "" for any other token. */
export function wordOf(token: Token | undefined): string {
  return token?.kind === "word" ? lower(token.text) : "";
}

/** The name that a word or a quoted identifier stands for; "" for any other token. */
export function nameOf(token: Token | undefined): string {
  if (token?.kind !== "quoted") return wordOf(token);
  const quote = token.text[0] ?? "";
  return token.text.slice(1, -1).replaceAll(quote + quote, quote);
}

/** True for a dot, a parenthesis and the like. */
export function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === "symbol" && token.text === text;
}

// Not toLowerCase(), which makes ASCII letters of others: the Kelvin sign would be a k.
function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/**
 * Refuses what the engine could read in another way than we do, which is how statements are
 * smuggled past guards.
 */
function refuseAmbiguous(engine: Engine, sql: string): void {
  if (!sql.isWellFormed() || sql.includes("\0")) {
    throw new SqlRefusedError("the statement holds NUL or half a character");
  }
  if (engine === "hive" && sql.includes("${")) {
    throw new SqlRefusedError(
      "${...} is replaced by Hive before it reads the statement, also within strings; pass such " +
        "text as a parameter",
    );
  }
}

function tokenAt(engine: Engine, sql: string, at: number, spaced: boolean): Token {
  for (const [kind, pattern] of PATTERNS[engine]) {
    const length = matchAt(pattern, sql, at);
    if (length === 0) continue;
    const token = { kind, text: sql.slice(at, at + length), spaced, at };
    refuseTwoReadings(engine, token, sql);
    return token;
  }
  throw new SqlRefusedError(whatIsWrong(sql, at));
}

function refuseTwoReadings(engine: Engine, { kind, text, at }: Token, sql: string): void {
  if (kind === "string" && engine === "redshift") {
    if (matchAt(ESCAPED_STRING, sql, at) === text.length) return;
    throw new SqlRefusedError(
      `the string at ${at} ends elsewhere when a backslash escapes the quote after it, which is a ` +
        "setting of the cluster; pass such text as a parameter",
    );
  }
  if (kind === "quoted" && /\p{Cc}|--/u.test(text)) {
    throw new SqlRefusedError(
      `the name at ${at} holds a control character or --, which is taken for a comment on the way`,
    );
  }
}

function whatIsWrong(sql: string, at: number): string {
  const rest = sql.slice(at);
  if (/^['"`]/.test(rest)) return `the quotation at ${at} has no end`;
  if (/^[\d.]/.test(rest)) return `the number at ${at} runs into what follows it`;
  return `the character ${JSON.stringify(String.fromCodePoint(sql.codePointAt(at) ?? 0))} at ${at} has no place in a query`;
}

/** How many characters from `at` on are white space or one comment. */
function blankAt(sql: string, at: number): number {
  const plain = matchAt(SPACE, sql, at) || matchAt(LINE_COMMENT, sql, at);
  if (plain > 0) return plain;
  if (!sql.startsWith("/*", at)) return 0;
  const length = matchAt(BLOCK_COMMENT, sql, at);
  if (length === 0) throw new SqlRefusedError(`the comment at ${at} has no end`);
  if (sql.slice(at + 2, at + length).includes("/*")) {
    throw new SqlRefusedError(
      `the comment at ${at} holds another one, which engines read differently`,
    );
  }
  return length;
}

function onlyBlank(sql: string, from: number): boolean {
  let at = from;
  while (at < sql.length) {
    const skipped = blankAt(sql, at) || (sql[at] === ";" ? 1 : 0);
    if (skipped === 0) return false;
    at += skipped;
  }
  return true;
}

function checkParentheses(tokens: readonly Token[]): void {
  let depth = 0;
  for (const { text, kind, at } of tokens) {
    if (kind !== "symbol") continue;
    if (text === "(") depth += 1;
    if (text === ")") depth -= 1;
    if (depth < 0) throw new SqlRefusedError(`the parenthesis at ${at} closes nothing`);
    if (depth > DEPTH_MAX) throw new SqlRefusedError(`parentheses are nested ${DEPTH_MAX} deep`);
  }
  if (depth > 0) throw new SqlRefusedError("a parenthesis is not closed");
}

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

/** One piece of SQL text. `key` is the upper-case word, or the text itself. */
export interface Token {
  readonly kind: "space" | "word" | "quoted" | "string" | "number" | "parameter" | "symbol";
  readonly text: string;
  readonly key: string;
}

// Order matters: dollar quotes before parameters before symbols; `::` before `:name`.
const LEXEMES: readonly (readonly [Token["kind"], RegExp])[] = [
  ["space", /(?:\s+|--[^\n]*)+/y],
  ["string", /(?:[eE]|[xX]|[bB]|[nN])?'(?:[^'\\]|''|\\[\s\S])*'/y],
  ["quoted", /"(?:[^"]|"")*"/y],
  ["string", /\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$/y],
  ["number", /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y],
  ["word", /#?[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ["symbol", /::|:=|<=|>=|<>|!=|\|\||->>|->/y],
  ["parameter", /:[0-9A-Za-z_]+/y],
  ["symbol", /[\s\S]/y],
];

/**
 * Cuts SQL into tokens whose texts joined are the input again. Comments count as space; strings,
 * quoted names and dollar quotes are one token each, so that nothing inside them is ever rewritten.
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    const token = blockComment(sql, at) ?? lexemeAt(sql, at);
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

/** The tokens without space and comments. */
export function significant(tokens: readonly Token[]): Token[] {
  return tokens.filter((token) => token.kind !== "space");
}

export function render(tokens: readonly Token[]): string {
  return tokens.map((token) => token.text).join("");
}

/** A token made by a rewrite; it is never looked into again. */
export function raw(text: string): Token {
  return { kind: "string", text, key: text };
}

/** The index of the parenthesis that closes the one at `open`; the length when none does. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const text = tokens[index]?.text;
    if (text === "(") depth += 1;
    else if (text === ")" && --depth === 0) return index;
  }
  return tokens.length;
}

/** The index of the next token at or after `from` that is not space; the length when none is. */
export function nextIndex(tokens: readonly Token[], from: number): number {
  let index = from;
  while (tokens[index]?.kind === "space") index += 1;
  return Math.min(index, tokens.length);
}

/** Splits at a symbol outside of parentheses: arguments at commas, statements at semicolons. */
export function splitAt(tokens: readonly Token[], separator: string): Token[][] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    if (depth === 0 && token.text === separator) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** The text of a name as PostgreSQL folds it: quoted as it is, otherwise in lower case. */
export function nameOf(token: Token | undefined): string {
  if (token === undefined) return "";
  if (token.kind === "quoted") return token.text.slice(1, -1).replaceAll('""', '"');
  return token.text.toLowerCase();
}

/** The content of a plain string literal. */
export function stringOf(token: Token | undefined): string | undefined {
  if (token?.kind !== "string" || !token.text.startsWith("'")) return undefined;
  return token.text.slice(1, -1).replaceAll("''", "'");
}

export function quoteLiteral(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function lexemeAt(sql: string, at: number): Token {
  for (const [kind, pattern] of LEXEMES) {
    pattern.lastIndex = at;
    const text = pattern.exec(sql)?.[0];
    if (text !== undefined) {
      return { kind, text, key: kind === "word" ? text.toUpperCase() : text };
    }
  }
  throw new Error(`no token at ${at}`);
}

/** Block comments nest in PostgreSQL, which a regular expression cannot follow. */
function blockComment(sql: string, at: number): Token | undefined {
  if (!sql.startsWith("/*", at)) return undefined;
  let depth = 0;
  for (let index = at; index < sql.length; index++) {
    if (sql.startsWith("/*", index)) {
      depth += 1;
      index += 1;
    } else if (sql.startsWith("*/", index)) {
      depth -= 1;
      index += 1;
      if (depth === 0) return space(sql.slice(at, index + 1));
    }
  }
  return space(sql.slice(at));
}

function space(text: string): Token {
  return { kind: "space", text, key: " " };
}

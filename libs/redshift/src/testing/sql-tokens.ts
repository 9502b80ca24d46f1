/** A piece of SQL. `key` is the upper-case word, the name inside quotes, or the text itself. */
export interface SqlToken {
  readonly kind: "word" | "name" | "string" | "number" | "parameter" | "symbol" | "broken";
  readonly text: string;
  readonly key: string;
}

// Redshift takes a backslash in a string for an escape, so that one before the closing quote moves it.
const LEXEMES =
  /(?<space>\s+|--[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>'(?:[^'\\]|''|\\[\s\S])*')|(?<name>"(?:[^"]|"")*")|(?<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w))|(?<word>[A-Za-z_][\w$]*)|(?<cast>::)|(?<parameter>:\w+)|(?<symbol><=|>=|<>|!=|\|\||[-+*/%^=<>().,;[\]])|(?<broken>[\s\S])/gu;

/** The tokens of a statement without white space and comments. */
export function sqlTokens(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (const { 0: text, groups = {} } of sql.matchAll(LEXEMES)) {
    const found = groups as Record<string, string | undefined>;
    const kind = Object.keys(found).find((name) => found[name] !== undefined) ?? "broken";
    if (kind === "space") continue;
    if (kind === "cast") tokens.push({ kind: "symbol", text, key: text });
    else tokens.push({ kind: kind as SqlToken["kind"], text, key: keyOf(kind, text) });
  }
  return tokens;
}

function keyOf(kind: string, text: string): string {
  if (kind === "word") return text.toUpperCase();
  return kind === "name" ? text.slice(1, -1).replaceAll('""', '"') : text;
}

/** The index of the parenthesis that closes the one at `open`; the length when none does. */
export function closingOf(tokens: readonly SqlToken[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    if (tokens[index]?.text === "(") depth += 1;
    else if (tokens[index]?.text === ")" && --depth === 0) return index;
  }
  return tokens.length;
}

/** Parts between commas that stand outside of parentheses. */
export function splitAtCommas(tokens: readonly SqlToken[]): SqlToken[][] {
  const parts: SqlToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    if (depth === 0 && token.text === ",") parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

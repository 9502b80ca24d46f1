import { SYSTEM_TABLES } from "./allowed-functions.ts";
import { SqlRefused, unknownHere } from "./refused.ts";
import { nameOf, quoteName, significant, type Token } from "./tokens.ts";

/** Schemas of the engine, of which a statement may not know. */
const HIDDEN = new Set(["redshift_compatibility", "pg_catalog", "pg_temp", "pg_toast"]);

/**
 * The statement as Redshift reads it: names fold to lower case also in quotes, a backslash in a text
 * escapes. What has no place in PostgreSQL's grammar is refused here by name.
 */
export function asRedshiftReads(
  statement: readonly Token[],
  state: { readonly caseSensitive: boolean },
): Token[] {
  refuseByWords(significant(statement));
  refuseNumbers(statement);
  return statement.map((token) => {
    if (token.kind === "quoted" && !state.caseSensitive) {
      const text = quoteName(nameOf(token).toLowerCase());
      return { ...token, text, key: text };
    }
    return token.kind === "string" ? textOf(token) : token;
  });
}

/** Redshift's texts are PostgreSQL's E'...'. */
function textOf(token: Token): Token {
  if (!token.text.includes("\\")) return token;
  if (token.text.startsWith("'"))
    return { ...token, text: `E${token.text}`, key: `E${token.text}` };
  return token;
}

function refuseByWords(words: readonly Token[]): void {
  words.forEach((word, index) => {
    const [before, next] = [words[index - 1], words[index + 1]];
    if (word.kind === "quoted" || word.kind === "word") refuseHidden(word, next, words[index + 2]);
    if (word.kind !== "word" || before?.text === ".") return;
    if (/^(QUALIFY|PIVOT|UNPIVOT)$/.test(word.key) && next?.text !== "," && next?.text !== ".") {
      throw unknownHere(word.key);
    }
    if (word.key === "EXCLUDE" && before?.text === "*") throw unknownHere("EXCLUDE");
    if (word.key === "IGNORE" && next?.key === "NULLS") throw unknownHere("IGNORE NULLS");
    if (word.key === "CONNECT" && next?.key === "BY") throw unknownHere("CONNECT BY");
    if (word.key === "LATERAL") throw new SqlRefused('syntax error at or near "LATERAL"');
  });
}

/** 0x1F, 1_000: one number to PostgreSQL, a number and its alias to Redshift. */
function refuseNumbers(statement: readonly Token[]): void {
  statement.forEach((token, index) => {
    const next = statement[index + 1];
    if (token.kind !== "number" || next?.kind !== "word") return;
    throw unknownHere(`the number ${token.text}${next.text}`);
  });
}

function refuseHidden(word: Token, dot: Token | undefined, member: Token | undefined): void {
  const name = nameOf(word).toLowerCase();
  if (!HIDDEN.has(name) || dot?.text !== ".") return;
  if (name === "pg_catalog" && SYSTEM_TABLES.has(nameOf(member).toLowerCase())) return;
  throw unknownHere(`${name}.${nameOf(member)}`);
}

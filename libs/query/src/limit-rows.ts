import { tokenize, wordOf, type Token } from "./tokens.ts";

/**
 * A Redshift query that gives at most `rows` rows: the engine stops there, and a result stays small
 * enough for the Data API, which fails one over 500 MB. A limit of the query's own counts if it is
 * less. LIMIT is appended rather than wrapped around, because a query in FROM has no order and may
 * not have two columns of one name. What is no query stays as it is.
 *
 * @param sql one that was prepared; a comment before it stays
 * @throws SqlRefusedError as the tokenizer
 */
export function limitRows(sql: string, rows: number): string {
  const tokens = tokenize("redshift", sql);
  const first = wordOf(tokens[0]);
  if (first !== "select" && first !== "with" && tokens[0]?.text !== "(") return sql;
  const outer = outermost(tokens);
  const at = (word: string) => outer.findIndex((token) => wordOf(token) === word);
  const limit = at("limit");
  if (limit >= 0) return lowered(sql, tokens, outer[limit], rows);
  const top = at("top");
  if (top >= 0) return lowered(sql, tokens, outer[top], rows);
  const offset = outer[at("offset")];
  const last = tokens.at(-1);
  const end = offset?.at ?? (last ? last.at + last.text.length : sql.length);
  const inserted = offset ? `LIMIT ${rows} ` : ` LIMIT ${rows}`;
  return sql.slice(0, end) + inserted + sql.slice(end);
}

/** Puts the lower number in place of the one that follows a word; anything but a number stays. */
function lowered(
  sql: string,
  tokens: readonly Token[],
  word: Token | undefined,
  rows: number,
): string {
  const token = tokens.find(({ at }) => word !== undefined && at > word.at);
  if (token === undefined) return sql;
  const isMore = token.kind === "number" && Number(token.text) > rows;
  if (!isMore && wordOf(token) !== "all") return sql;
  return sql.slice(0, token.at) + String(rows) + sql.slice(token.at + token.text.length);
}

function outermost(tokens: readonly Token[]): Token[] {
  let depth = 0;
  return tokens.filter(({ kind, text }) => {
    if (kind === "symbol" && text === "(") depth += 1;
    if (kind === "symbol" && text === ")") depth -= 1;
    return depth === 0;
  });
}

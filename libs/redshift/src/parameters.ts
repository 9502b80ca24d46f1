import type { RedshiftParameters } from "./api.ts";

/** SQL and parameters as the Data API takes them. */
export interface BoundSql {
  readonly sql: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

// What can hold a colon and is no parameter: strings, names, comments, dollar quotes, casts.
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$|::|:(\w+)/g;

/**
 * The Data API takes values of one character or more as text and knows no null: null and the empty
 * text become literals in the SQL, the rest goes beside it.
 */
export function bindParameters(sql: string, parameters: RedshiftParameters): BoundSql {
  const literals = new Map<string, string>();
  const beside: { name: string; value: string }[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) literals.set(name, "NULL");
    else if (value === "") literals.set(name, "''");
    else beside.push({ name, value: String(value) });
  }
  if (literals.size === 0) return { sql, parameters: beside };
  const bound = sql.replace(TOKENS, (token, _tag: string | undefined, name: string | undefined) =>
    name === undefined ? token : (literals.get(name) ?? token),
  );
  return { sql: bound, parameters: beside };
}

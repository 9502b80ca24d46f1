import { quoteLiteral, raw, type Token } from "./tokens.ts";

export interface SqlParameter {
  readonly name: string;
  readonly value: string;
}

/**
 * Puts the values of named parameters (`:name`) in as literals of unknown type, which PostgreSQL
 * resolves as it resolves untyped bind parameters. Casts, strings, comments and dollar quotes are
 * other tokens and stay as they are.
 *
 * @returns the tokens, the names that were used, and the names that have no value
 */
export function bindParameters(
  tokens: readonly Token[],
  parameters: readonly SqlParameter[],
): { tokens: Token[]; used: Set<string>; missing: Set<string> } {
  const values = new Map(parameters.map(({ name, value }) => [name, value]));
  const used = new Set<string>();
  const missing = new Set<string>();
  const bound = tokens.map((token) => {
    if (token.kind !== "parameter") return token;
    const name = token.text.slice(1);
    const value = values.get(name);
    if (value === undefined) {
      missing.add(name);
      return token;
    }
    used.add(name);
    return raw(literalOf(value));
  });
  return { tokens: bound, used, missing };
}

/** What stands in a value stands for itself, though Redshift takes a backslash in SQL for an escape. */
function literalOf(value: string): string {
  return value.includes("\\")
    ? `E${quoteLiteral(value.replaceAll("\\", "\\\\"))}`
    : quoteLiteral(value);
}

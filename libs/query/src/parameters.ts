import { SqlParameterError } from "./errors.ts";
import { hiveStringLiteral } from "./hive-strings.ts";
import type { Engine, Token } from "./tokens.ts";

export type ParameterValue = boolean | bigint | number | string | null;
export type Parameters = ReadonlyMap<string, ParameterValue>;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Throws SqlParameterError unless the statement uses exactly the parameters that are given. */
export function checkParameters(tokens: readonly Token[], parameters: Parameters): void {
  const used = new Set(tokens.filter(isParameter).map(parameterName));
  for (const name of used) {
    if (!parameters.has(name)) {
      throw new SqlParameterError(`the statement uses :${name}, which has no value`);
    }
  }
  for (const name of parameters.keys()) {
    if (!used.has(name)) throw new SqlParameterError(`the statement does not use :${name}`);
  }
}

export function isParameter(token: Token): boolean {
  return token.kind === "parameter";
}

export function parameterName(token: Token): string {
  return token.text.slice(1);
}

/**
 * A value as a literal of the engine. Text for Redshift is not among them: it travels beside the
 * statement, but for the empty text, which the Data API refuses as a parameter.
 */
export function literalOf(engine: Engine, name: string, value: ParameterValue): string {
  if (value === null) return "NULL";
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  if (typeof value === "bigint") return integerLiteral(name, value);
  if (typeof value === "number") {
    // As text, because neither dialect has a literal for what is not finite, and both parse all.
    return `CAST('${String(value)}' AS ${engine === "hive" ? "DOUBLE" : "DOUBLE PRECISION"})`;
  }
  if (engine === "redshift") return "''";
  return hiveString(name, value);
}

function integerLiteral(name: string, value: bigint): string {
  if (value < INT64_MIN || value > INT64_MAX) {
    throw new SqlParameterError(`:${name} is ${value}, which is not a 64-bit integer`);
  }
  // The least one has no literal: -9223372036854775808 is minus of something too large. And a minus
  // after another one would begin a comment.
  if (value === INT64_MIN) return `CAST('${value}' AS BIGINT)`;
  return value < 0n ? `(${value})` : String(value);
}

function hiveString(name: string, value: string): string {
  if (!value.isWellFormed() || value.includes("\0")) {
    throw new SqlParameterError(`:${name} holds NUL or half a character, which Hive cannot take`);
  }
  return hiveStringLiteral(value);
}

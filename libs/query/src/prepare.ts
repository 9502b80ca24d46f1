import { SqlParameterError, SqlRefusedError } from "./errors.ts";
import { guardHive } from "./hive-guard.ts";
import {
  checkParameters,
  isParameter,
  literalOf,
  parameterName,
  type Parameters,
} from "./parameters.ts";
import { guardRedshift } from "./redshift-guard.ts";
import { joinTokens, tokenize, type Engine, type Token } from "./tokens.ts";

/** A statement that was checked and may be sent. */
export interface PreparedSql {
  /** Without comments; text parameters of Redshift still stand in it as `:name`. */
  readonly sql: string;
  /** For the Data API; empty for Hive, whose values are in the text. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

/** The Data API takes 100 kB, and room is left for what the gateway adds; Hive gets the same bound. */
const SQL_CHARACTERS_MAX = 90_000;

/**
 * Checks that a statement only reads and puts its named parameters (`:name`) in. What is sent is
 * written anew from the tokens that were checked, so that no comment can hide anything.
 *
 * @throws SqlRefusedError, SqlParameterError
 */
export async function prepareSql(
  engine: Engine,
  sql: string,
  parameters: Parameters = new Map(),
): Promise<PreparedSql> {
  if (sql.length > SQL_CHARACTERS_MAX) {
    throw new SqlRefusedError(
      `the statement has ${sql.length} characters; ${SQL_CHARACTERS_MAX} are allowed`,
    );
  }
  const tokens = tokenize(engine, sql);
  checkParameters(tokens, parameters);
  if (engine === "hive") {
    guardHive(tokens);
    return {
      sql: joinTokens(tokens, (token) => inline("hive", token, parameters)),
      parameters: [],
    };
  }
  // PostgreSQL's parser knows $1, not :name.
  await guardRedshift(joinTokens(tokens, (token) => (isParameter(token) ? "$1" : token.text)));
  const beside = [...parameters].flatMap(([name, value]) =>
    typeof value === "string" && value !== "" ? [{ name, value: storable(name, value) }] : [],
  );
  const names = new Set(beside.map(({ name }) => name));
  return {
    sql: joinTokens(tokens, (token) =>
      names.has(parameterName(token)) ? token.text : inline("redshift", token, parameters),
    ),
    parameters: beside,
  };
}

function inline(engine: Engine, token: Token, parameters: Parameters): string {
  // HiveServer2 looks for comments line by line, and loses count of quotes after a backslash: a
  // statement of one line gives it nothing to find.
  if (engine === "hive" && token.kind === "string") return inOneLine(token.text);
  if (!isParameter(token)) return token.text;
  const name = parameterName(token);
  // With spaces, or `SELECT:n` would become one word.
  return ` ${literalOf(engine, name, parameters.get(name) ?? null)} `;
}

function inOneLine(literal: string): string {
  return literal.replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}

function storable(name: string, value: string): string {
  if (value.isWellFormed() && !value.includes("\0")) return value;
  throw new SqlParameterError(`:${name} holds NUL or half a character, which Redshift cannot take`);
}

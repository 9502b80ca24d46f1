import { SqlParameterError, SqlRefusedError } from "./errors.ts";
import { guardHive } from "./hive-guard.ts";
import { sentHiveString } from "./hive-strings.ts";
import {
  checkParameters,
  isParameter,
  literalOf,
  parameterName,
  type Parameters,
} from "./parameters.ts";
import { guardRedshift } from "./redshift-guard.ts";
import { joinTokens, nameOf, tokenize, type Engine, type Token } from "./tokens.ts";

/** A statement that was checked and may be sent. */
export interface PreparedSql {
  /** Without comments; text parameters of Redshift still stand in it as `:name`. */
  readonly sql: string;
  /** For the Data API; empty for Hive, whose values are in the text. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

/** The Data API takes 100 kB, and room is left for what the gateway adds; Hive gets the same bound. */
const SQL_BYTES_MAX = 90_000;

const GUARDS: Readonly<Record<Engine, (tokens: readonly Token[]) => void>> = {
  hive: guardHive,
  redshift: guardRedshift,
};

/**
 * Checks that a statement only reads and puts its named parameters (`:name`) in. What is sent is
 * written anew from the tokens that were checked, so that no comment can hide anything, and is
 * judged once more as it is sent, with the values in it.
 *
 * @throws SqlRefusedError, SqlParameterError
 */
export function prepareSql(
  engine: Engine,
  sql: string,
  parameters: Parameters = new Map(),
): Promise<PreparedSql> {
  // A promise, so that a refusal reaches the caller as any failure of a query does: by rejection.
  return new Promise((resolve) => resolve(prepare(engine, sql, parameters)));
}

function prepare(engine: Engine, sql: string, parameters: Parameters): PreparedSql {
  checkLength(sql);
  const tokens = tokenize(engine, sql);
  checkParameters(tokens, parameters);
  // Where a parameter may stand can only be seen before its value takes its place.
  GUARDS[engine](tokens);
  const beside = engine === "redshift" ? besideTheStatement(parameters) : [];
  const names = new Set(beside.map(({ name }) => name));
  const inline = new Map([...parameters].filter(([name]) => !names.has(name)));
  const sent = joinTokens(tokens, (token) => sentText(engine, token, inline));
  judgeSent(
    engine,
    sent,
    tokens.flatMap((token) => sentTokens(engine, token, inline)),
  );
  return { sql: sent, parameters: beside };
}

/** The text that goes to the engine must be read as the tokens that were judged, and pass itself. */
function judgeSent(engine: Engine, sent: string, expected: readonly string[]): void {
  checkLength(sent);
  const tokens = tokenize(engine, sent);
  const isAsMeant =
    tokens.length === expected.length &&
    tokens.every(({ text }, index) => text === expected[index]);
  if (!isAsMeant) {
    throw new SqlRefusedError("the statement would be read otherwise than it was checked");
  }
  GUARDS[engine](tokens);
}

function checkLength(sql: string): void {
  const bytes = new TextEncoder().encode(sql).length;
  if (bytes <= SQL_BYTES_MAX) return;
  throw new SqlRefusedError(
    `the statement has ${bytes} bytes with its parameters; ${SQL_BYTES_MAX} are allowed`,
  );
}

function besideTheStatement(parameters: Parameters): PreparedSql["parameters"] {
  return [...parameters].flatMap(([name, value]) =>
    typeof value === "string" && value !== "" ? [{ name, value: storable(name, value) }] : [],
  );
}

/** What a token becomes; parameters that are not in `inline` travel beside the statement. */
function sentText(engine: Engine, token: Token, inline: Parameters): string {
  const value = isParameter(token) ? inline.get(parameterName(token)) : undefined;
  if (value !== undefined) {
    // With spaces, or `SELECT:n` would become one word.
    return ` ${literalOf(engine, parameterName(token), value)} `;
  }
  if (engine === "hive" && token.kind === "string") return sentHiveString(token.text, token.at);
  return token.kind === "word" ? sentWord(engine, token) : token.text;
}

/** The tokens that a token becomes: a parameter may become several. */
function sentTokens(engine: Engine, token: Token, inline: Parameters): string[] {
  const text = sentText(engine, token, inline);
  if (!isParameter(token)) return [text];
  return tokenize(engine, text).map((part) => part.text);
}

/**
 * A name that is not plain ASCII goes in quotes. Hive has no other way to write it, and reads "ı"
 * and "ſ" as I and S (ANTLRNoCaseStringStream), so that "uſing" would be a keyword.
 */
function sentWord(engine: Engine, token: Token): string {
  if (engine === "hive") {
    return /^[A-Za-z]\w*$/.test(token.text) ? token.text : `\`${token.text}\``;
  }
  return /^[\0-\x7f]*$/.test(token.text) ? token.text : `"${nameOf(token)}"`;
}

function storable(name: string, value: string): string {
  if (value.isWellFormed() && !value.includes("\0")) return value;
  throw new SqlParameterError(`:${name} holds NUL or half a character, which Redshift cannot take`);
}

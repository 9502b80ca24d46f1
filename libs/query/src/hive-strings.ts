import { SqlRefusedError } from "./errors.ts";

/**
 * Strings of Hive, read and written as BaseSemanticAnalyzer.unescapeSQLString does. They are
 * written without what others on the way stumble over: HiveServer2 counts quotes wrongly after a
 * backslash and then takes `--` within a string for a comment (HiveStringUtils.removeComments), it
 * replaces `${...}` everywhere, and clients cut scripts at semicolons.
 */
const PLAIN: Readonly<Record<string, string>> = {
  "0": "\0",
  b: "\b",
  n: "\n",
  r: "\r",
  t: "\t",
  Z: "\u001a",
  // As in MySQL, these two keep their backslash for LIKE.
  "%": "\\%",
  _: "\\_",
};

/** `\u0041`, `\101`, or any character behind a backslash. */
const ESCAPE = /\\(?:u(?<hex>[0-9A-Fa-f]{4})|(?<octal>[01][0-7]{2})|(?<one>.))/gsu;

/** What a literal, quotes included, stands for. */
export function hiveStringValue(literal: string, at: number): string {
  return literal.slice(1, -1).replace(ESCAPE, (...found) => {
    const { hex, octal, one = "" } = found.at(-1) as Partial<Record<string, string>>;
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
    if (one === "u") {
      throw new SqlRefusedError(
        `the string at ${at} holds \\u without four hexadecimal digits, which Hive reads as anything`,
      );
    }
    return PLAIN[one] ?? one;
  });
}

/** A value as a literal of one line, without quotes, backslash pairs, `--`, `$` and semicolons. */
export function hiveStringLiteral(value: string): string {
  return `'${value.replace(/[\\'"$;\p{Cc}]|(?<=-)-/gu, unicodeEscape)}'`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A string token as it is sent: as it stands where nothing on the way can misread it. */
export function sentHiveString(literal: string, at: number): string {
  if (!/[\\;\p{Cc}]|--/u.test(literal)) return literal;
  return hiveStringLiteral(hiveStringValue(literal, at));
}

import { judge } from "./judge.ts";
import { parseCopy, type CopyCommand } from "./copy-command.ts";
import { translateColumn, translateCreateTable } from "./create-table.ts";
import { rewriteExpressions } from "./expressions.ts";
import { checkMerge } from "./merge.ts";
import { SqlRefused, unknownHere } from "./refused.ts";
import { planOfSetting } from "./session-settings.ts";
import { asRedshiftReads } from "./source.ts";
import { principalStatement } from "./principals.ts";
import { closing, render, significant, splitAt, type Token } from "./tokens.ts";

/** What the engine is to do for one Redshift statement. */
export type Plan =
  /** Rows come back; `cursor` when a cursor can serve them. */
  | { readonly kind: "rows"; readonly sql: string; readonly cursor: boolean }
  | { readonly kind: "command"; readonly sql: string }
  /** Names in quotes keep their case from here on, or no longer. */
  | { readonly kind: "case"; readonly sensitive: boolean }
  | { readonly kind: "setting"; readonly sql: string }
  | { readonly kind: "copy"; readonly copy: CopyCommand }
  /** Commits what came before it, as TRUNCATE does in Redshift. */
  | { readonly kind: "truncate"; readonly sql: string }
  /** Accepted and without effect here: sort keys, compression, storage. */
  | { readonly kind: "nothing" };

/** What statements before it in its session have set. */
export interface SessionState {
  caseSensitive: boolean;
}

/**
 * Translates one Redshift statement, its parameters already bound, to PostgreSQL 18.
 *
 * @throws SqlRefused for what Redshift refuses or this endpoint does not do
 */
export function translate(
  tokens: readonly Token[],
  state: SessionState = { caseSensitive: false },
): Plan {
  const parts = splitAt(tokens, ";").filter((part) => significant(part).length > 0);
  const [given] = parts;
  if (given === undefined) throw new SqlRefused("syntax error at end of input");
  if (parts.length > 1) {
    throw new SqlRefused("cannot insert multiple commands into a prepared statement");
  }
  const plan = planOf(asRedshiftReads(given, state));
  if (!("sql" in plan) || plan.kind === "setting") return plan;
  return { ...plan, sql: judge(plan.sql) };
}

function planOf(statement: readonly Token[]): Plan {
  const words = significant(statement);
  switch (words[0]?.key ?? "") {
    case "SELECT":
    case "WITH":
    case "VALUES":
    case "(":
      return query(statement, words);
    case "EXPLAIN":
      return { kind: "rows", sql: render(rewriteExpressions(statement)), cursor: false };
    case "CREATE":
      return create(statement, words);
    case "ALTER":
      return alter(statement, words);
    case "COPY":
      return { kind: "copy", copy: parseCopy(words) };
    case "TRUNCATE":
      return { kind: "truncate", sql: render(statement) };
    case "MERGE":
      checkMerge(words);
      return command(statement);
    case "INSERT":
    case "UPDATE":
    case "DELETE":
      return write(statement, words);
    case "VACUUM":
      return { kind: "nothing" };
    case "ANALYZE":
      return words[1]?.key === "COMPRESSION" ? { kind: "nothing" } : analyze(words);
    case "SET":
    case "RESET":
      return planOfSetting(words);
    default:
      return other(statement, words);
  }
}

function query(statement: readonly Token[], words: readonly Token[]): Plan {
  const into = words.some((word) => word.key === "INTO");
  const sql = render(rewriteExpressions(statement));
  if (into) return { kind: "command", sql };
  return { kind: "rows", sql, cursor: true };
}

function command(statement: readonly Token[]): Plan {
  return { kind: "command", sql: render(rewriteExpressions(statement)) };
}

function write(statement: readonly Token[], words: readonly Token[]): Plan {
  const keys = topLevelKeys(words);
  if (keys.includes("RETURNING")) throw new SqlRefused('syntax error at or near "RETURNING"');
  if (keys.some((key, index) => key === "ON" && keys[index + 1] === "CONFLICT")) {
    throw new SqlRefused('syntax error at or near "ON"');
  }
  return command(withDeleteFrom(statement, words));
}

/** Redshift takes DELETE without FROM. */
function withDeleteFrom(statement: readonly Token[], words: readonly Token[]): readonly Token[] {
  const [first, second] = words;
  if (first?.key !== "DELETE" || second?.key === "FROM") return statement;
  const at = statement.indexOf(first);
  const from: Token = { kind: "word", text: " FROM", key: "FROM" };
  return [...statement.slice(0, at + 1), from, ...statement.slice(at + 1)];
}

function create(statement: readonly Token[], words: readonly Token[]): Plan {
  const kind = words.find((word, index) => index > 0 && !CREATE_PREFIXES.has(word.key))?.key ?? "";
  if (kind === "TABLE") {
    const { sql } = translateCreateTable(statement);
    return { kind: "command", sql };
  }
  if (["USER", "GROUP", "ROLE"].includes(kind)) {
    return { kind: "command", sql: principalStatement(words) };
  }
  if (UNSUPPORTED_OBJECTS.has(kind)) {
    throw new SqlRefused(`SQL command "CREATE ${kind}" not supported on Redshift tables.`);
  }
  if (kind !== "VIEW" && kind !== "SCHEMA") {
    throw unknownHere(`CREATE ${kind}`);
  }
  return command(statement);
}

const CREATE_PREFIXES = new Set(["OR", "REPLACE", "LOCAL", "TEMP", "TEMPORARY", "UNIQUE"]);
const UNSUPPORTED_OBJECTS = new Set([
  "INDEX",
  "TYPE",
  "DOMAIN",
  "TRIGGER",
  "SEQUENCE",
  "TABLESPACE",
  "RULE",
  "AGGREGATE",
  "OPERATOR",
]);

function alter(statement: readonly Token[], words: readonly Token[]): Plan {
  const keys = words.map((word) => word.key);
  if (["USER", "GROUP", "ROLE", "DEFAULT"].includes(keys[1] ?? "")) {
    return { kind: "command", sql: principalStatement(words) };
  }
  const physical = ["DISTKEY", "SORTKEY", "DISTSTYLE", "ENCODE"].some((key) => keys.includes(key));
  const add = words.findIndex((word, index) => word.key === "ADD" && index > 2);
  const constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN"];
  if (add < 0) return physical ? { kind: "nothing" } : command(statement);
  const first = words[add + 1]?.key === "COLUMN" ? add + 2 : add + 1;
  if (constraint.includes(words[first]?.key ?? "")) return { kind: "nothing" };
  const head = words.slice(0, add).map((word) => word.text);
  const column = translateColumn(words.slice(first), new Set());
  return {
    kind: "command",
    sql: `${head.join(" ").replaceAll(" . ", ".")} ADD COLUMN ${column}`,
  };
}

function analyze(words: readonly Token[]): Plan {
  const stop = words.findIndex((word) => word.key === "PREDICATE" || word.key === "ALL");
  const target = words.slice(1, stop < 0 ? words.length : stop).filter((w) => w.key !== "VERBOSE");
  return {
    kind: "command",
    sql: `ANALYZE ${target.map((w) => w.text).join("")}`,
  };
}

function other(statement: readonly Token[], words: readonly Token[]): Plan {
  const first = words[0]?.key ?? "";
  if (["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"].includes(first)) {
    throw new SqlRefused(
      `${first} is not supported by this development endpoint: a batch is one transaction already.`,
    );
  }
  if (first === "SAVEPOINT" || first === "RELEASE") {
    throw new SqlRefused(`SQL command "${first}" not supported.`);
  }
  if (first === "GRANT" || first === "REVOKE") {
    return { kind: "command", sql: principalStatement(words) };
  }
  if (first === "DROP" || first === "COMMENT" || first === "LOCK") return command(statement);
  if (first === "UNLOAD") {
    throw new SqlRefused("UNLOAD is not supported by this development endpoint yet.");
  }
  throw new SqlRefused(`syntax error at or near ${JSON.stringify(words[0]?.text ?? "")}`);
}

function topLevelKeys(words: readonly Token[]): string[] {
  const keys: string[] = [];
  for (let index = 0; index < words.length; index++) {
    if (words[index]?.text === "(") index = closing(words, index);
    else keys.push(words[index]?.key ?? "");
  }
  return keys;
}

import { loadModule, parseSync } from "libpg-query";
import { SqlRefusedError } from "./errors.ts";
import { functionsOf } from "./functions.ts";

/** Statements that read; each node of the syntax tree that is a statement must be one of these. */
const READING = new Set(["SelectStmt", "ExplainStmt", "VariableShowStmt"]);

/** What a SELECT has when it writes a table or takes locks. */
const WRITING = new Map([
  ["intoClause", "SELECT INTO makes a table"],
  ["lockingClause", "FOR UPDATE and FOR SHARE take locks"],
]);

let loading: Promise<void> | undefined;

/**
 * Throws SqlRefusedError unless the text is one statement that only reads, by PostgreSQL's own
 * parser. What Redshift has and PostgreSQL does not (TOP, QUALIFY, PIVOT, MINUS) is refused.
 */
export async function guardRedshift(sql: string): Promise<void> {
  await (loading ??= loadModule());
  const statements = parse(sql);
  const [only] = statements;
  if (only === undefined || statements.length > 1) {
    throw new SqlRefusedError(`only one statement is allowed, but there are ${statements.length}`);
  }
  const [kind = ""] = Object.keys(only);
  if (!READING.has(kind)) {
    throw new SqlRefusedError(
      `only SELECT, WITH, SHOW and EXPLAIN of these are allowed, not ${nameOf(kind)}`,
    );
  }
  walk(only);
}

function parse(sql: string): readonly object[] {
  try {
    const { stmts = [] } = parseSync(sql) as { stmts?: { stmt?: object }[] };
    return stmts.map(({ stmt }) => stmt ?? {});
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new SqlRefusedError(
      `the statement cannot be parsed: ${message} (checked with PostgreSQL's grammar)`,
      { cause: error },
    );
  }
}

function walk(node: unknown): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    const writes = WRITING.get(key);
    if (writes !== undefined) throw new SqlRefusedError(`queries only read: ${writes}`);
    if (key.endsWith("Stmt") && !READING.has(key)) {
      throw new SqlRefusedError(`queries only read: ${nameOf(key)} is not allowed`);
    }
    if (key === "FuncCall") guardCall(value as FuncCall);
    if (key === "ExplainStmt") guardExplain(value as ExplainStmt);
    walk(value);
  }
}

interface Name {
  readonly String?: { readonly sval?: string };
}

interface FuncCall {
  readonly funcname?: readonly Name[];
}

interface ExplainStmt {
  readonly options?: readonly { readonly DefElem?: { readonly defname?: string } }[];
}

function guardCall(call: FuncCall): void {
  const path = (call.funcname ?? []).map((part) => part.String?.sval ?? "");
  const name = path.at(-1)?.toLowerCase() ?? "";
  // The parser itself writes pg_catalog before the functions behind EXTRACT, TRIM and the like.
  const isBuiltIn = path.length === 1 || (path.length === 2 && path[0] === "pg_catalog");
  if (!isBuiltIn || !functionsOf.redshift.has(name)) {
    throw new SqlRefusedError(`the function ${path.join(".")} is not one that queries may call`);
  }
}

function guardExplain(explain: ExplainStmt): void {
  for (const { DefElem } of explain.options ?? []) {
    if (DefElem?.defname !== "verbose") {
      throw new SqlRefusedError("EXPLAIN ANALYZE runs the statement; only EXPLAIN is allowed");
    }
  }
}

/** "CreateTableAsStmt" as people say it: "CREATE TABLE AS". */
function nameOf(node: string): string {
  return node
    .replace(/Stmt$/, "")
    .replace(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toUpperCase();
}

import { loadModule, parseSync } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import {
  FRAMED_FUNCTIONS,
  FUNCTIONS,
  GRAMMAR_FUNCTIONS,
  LEADER_FUNCTIONS,
  OPERATORS,
  SYSTEM_TABLES,
  TYPES,
  WINDOW_FUNCTIONS,
} from "./allowed-functions.ts";
import { NODES, PLAIN, VALUES } from "./allowed-nodes.ts";
import { COMPATIBILITY_SCHEMA } from "./expressions.ts";
import { SqlRefused, unknownHere } from "./refused.ts";

// Once for the process: compiling takes a tenth of a second.
await loadModule();

type Fields = Record<string, unknown>;
type Node = Record<string, Fields>;

const VARCHAR_MAX = 65_535;
const FRAME_WRITTEN = 1;

/**
 * Judges a statement by its parse tree and makes PostgreSQL's text of it. Whatever is not on the
 * lists is refused by its name; where Redshift means something else by the same words, the tree is
 * changed to what it means.
 *
 * @param sql PostgreSQL's syntax, Redshift's words
 * @throws SqlRefused
 */
export function judge(sql: string): string {
  let tree: ReturnType<typeof parseSync>;
  try {
    tree = parseSync(sql);
  } catch (error) {
    throw new SqlRefused(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const [first] = tree.stmts ?? [];
  if (!first?.stmt) throw new SqlRefused("syntax error at end of input");
  const judged = new Judgement().statement(first.stmt as unknown as Node);
  // The deparser leaves a word out of LIKE ... INCLUDING; nothing in such a table is to be changed.
  if (JSON.stringify(judged).includes('"TableLikeClause"')) return sql;
  return deparseSync({ ...tree, stmts: [{ ...first, stmt: judged }] } as never, { pretty: false });
}

class Judgement {
  readonly #withNames = new Set<string>();
  readonly #tables = new Set<string>();
  readonly #leader = new Set<string>();

  statement(node: Node): Node {
    const judged = this.#node(node);
    const tables = [...this.#tables].filter((name) => !this.#withNames.has(name));
    if (this.#leader.size > 0 && tables.length > 0) {
      throw new SqlRefused(
        "Specified types or functions (one per INFO message) not supported on Redshift tables.",
      );
    }
    return judged;
  }

  #value(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#value(one));
    return typeof value === "object" && value !== null ? this.#node(value as Node) : value;
  }

  #node(node: Node): Node {
    const [kind, ...others] = Object.keys(node);
    if (kind === undefined) return node;
    if (others.length > 0) throw unknownHere(`this use of ${[kind, ...others].join(" and ")}`);
    const fields = this.#fields(kind, node[kind] ?? {});
    return this.#meant(kind, fields);
  }

  #fields(kind: string, fields: Fields): Fields {
    const allowed = NODES[kind];
    if (!allowed) throw unknownHere(kind);
    const judged: Fields = {};
    for (const [name, value] of Object.entries(fields)) {
      if (!allowed.has(name)) throw unknownHere(`${name} of ${kind}`);
      const values = VALUES[`${kind}.${name}`];
      if (values && !values.has(String(value))) throw unknownHere(`${kind} ${String(value)}`);
      const plain = PLAIN[`${kind}.${name}`];
      if (kind === "A_Const") judged[name] = value;
      else if (plain === undefined) judged[name] = this.#value(value);
      else judged[name] = this.#plain(plain, value as Fields);
    }
    return judged;
  }

  #plain(kind: string, fields: Fields): Fields {
    return this.#meant(kind, this.#fields(kind, fields))[kind] ?? {};
  }

  #meant(kind: string, fields: Fields): Node {
    switch (kind) {
      case "FuncCall":
        return this.#call(fields);
      case "A_Expr":
        return operator(fields);
      case "TypeName":
        return { TypeName: typeName(fields) };
      case "TypeCast":
        return cast(fields);
      case "RangeVar":
        return this.#table(fields);
      case "CommonTableExpr":
        this.#withNames.add(String(fields["ctename"]));
        return { CommonTableExpr: fields };
      case "SelectStmt":
        checkSelect(fields);
        return { SelectStmt: fields };
      case "MergeStmt":
        if (!Object.hasOwn(fields["sourceRelation"] as Fields, "RangeVar")) {
          throw new SqlRefused("MERGE: the source must be a table; a sub-query is not supported");
        }
        return { MergeStmt: fields };
      default:
        return { [kind]: fields };
    }
  }

  #table(fields: Fields): Node {
    const schema = fields["schemaname"];
    const name = String(fields["relname"]);
    if (schema === "information_schema") {
      if (!["columns", "tables"].includes(name)) throw unknownHere(`information_schema.${name}`);
    } else if (schema === "pg_catalog" || /^(pg|stl|stv|svl|svv|svcs|sys)_/.test(name)) {
      if (!SYSTEM_TABLES.has(name)) throw unknownHere(`the system table ${name}`);
      return { RangeVar: { ...fields, schemaname: COMPATIBILITY_SCHEMA } };
    } else this.#tables.add(name);
    return { RangeVar: fields };
  }

  #call(fields: Fields): Node {
    const path = textsOf(fields["funcname"]);
    const name = path.at(-1) ?? "";
    const count = Array.isArray(fields["args"]) ? fields["args"].length : 0;
    if (path[0] === COMPATIBILITY_SCHEMA) return { FuncCall: fields };
    if (path[0] === "pg_catalog") return grammarCall(name, fields);
    if (path.length > 1) throw unknownHere(`the function ${path.join(".")}`);
    const known = FUNCTIONS.get(name);
    if (!known) throw unknownHere(`the function ${name.toUpperCase()}`);
    if (count < known.least || count > known.most) {
      throw unknownHere(`${name.toUpperCase()} with ${count} arguments`);
    }
    if (LEADER_FUNCTIONS.has(name)) this.#leader.add(name);
    if (fields["agg_order"] !== undefined) throw unknownHere(`ORDER BY within ${name}`);
    checkWindow(name, fields);
    if (name === "to_char" || name === "to_date") checkFormat(name, fields);
    if (known.by === "both") return { FuncCall: fields };
    const schema = known.by === "ours" ? COMPATIBILITY_SCHEMA : "pg_catalog";
    return { FuncCall: { ...fields, funcname: [text(schema), text(name)] } };
  }
}

function checkSelect(fields: Fields): void {
  const distinct = (fields["distinctClause"] as Node[] | undefined) ?? [];
  if (distinct.some((node) => Object.keys(node).length > 0)) throw unknownHere("DISTINCT ON");
  const operation = String(fields["op"]);
  if (fields["all"] === true && operation !== "SETOP_UNION") {
    throw unknownHere(`${operation.slice("SETOP_".length)} ALL`);
  }
}

function checkWindow(name: string, fields: Fields): void {
  const over = fields["over"] as Fields | undefined;
  if (!over) {
    if (!WINDOW_FUNCTIONS.has(name)) return;
    throw new SqlRefused(`window function ${name} requires an OVER clause`);
  }
  const framed = (Number(over["frameOptions"]) & FRAME_WRITTEN) !== 0;
  if (over["orderClause"] !== undefined && FRAMED_FUNCTIONS.has(name) && !framed) {
    throw new SqlRefused(
      "Aggregate window functions with an ORDER BY clause require a frame clause",
    );
  }
}

/** Formats of the plain numbers of dates and times, which mean the same in both. */
function checkFormat(name: string, fields: Fields): void {
  const [, format] = fields["args"] as Node[];
  const sval = (format?.["A_Const"]?.["sval"] as Fields | undefined)?.["sval"];
  const plain = /^(?:YYYY|MM|DD|HH24|MI|SS|MS|US|[-/:. ])+$/;
  if (typeof sval !== "string" || !plain.test(sval)) {
    throw unknownHere(`the format ${JSON.stringify(sval ?? "that is no text")} of ${name}`);
  }
}

function grammarCall(name: string, fields: Fields): Node {
  if (name === "extract") {
    return {
      FuncCall: {
        ...fields,
        funcname: [text(COMPATIBILITY_SCHEMA), text("extract_part")],
        funcformat: "COERCE_EXPLICIT_CALL",
      },
    };
  }
  if (!GRAMMAR_FUNCTIONS.has(name)) throw unknownHere(`the function ${name.toUpperCase()}`);
  return { FuncCall: fields };
}

function operator(fields: Fields): Node {
  const [name = "", ...rest] = textsOf(fields["name"]);
  if (rest.length > 0) throw unknownHere(`OPERATOR(${[name, ...rest].join(".")})`);
  if (!OPERATORS.has(name) && !/^AEXPR_(NOT_)?(BETWEEN|NULLIF)/.test(String(fields["kind"]))) {
    throw unknownHere(`the operator ${name}`);
  }
  if (name === "~" || name === "!~") {
    const funcname = [text(COMPATIBILITY_SCHEMA), text("pattern")];
    const checked = { funcname, args: [fields["rexpr"]], funcformat: "COERCE_EXPLICIT_CALL" };
    return { A_Expr: { ...fields, rexpr: { FuncCall: checked } } };
  }
  if (fields["kind"] === "AEXPR_ILIKE") {
    // Redshift's ILIKE knows the case of ASCII letters only.
    const arg = fields["lexpr"];
    return {
      A_Expr: {
        ...fields,
        lexpr: { CollateClause: { arg, collname: [text("pg_catalog"), text("C")] } },
      },
    };
  }
  return { A_Expr: fields };
}

function typeName(fields: Fields): Fields {
  const name = textsOf(fields["names"]).at(-1) ?? "";
  const type = name === "nvarchar" ? "varchar" : name;
  if (!TYPES.has(type)) throw unknownHere(`the type ${name.toUpperCase()}`);
  const [first, scale] = typmodsOf(fields);
  if (type === "numeric") {
    if (first === undefined) return { ...fields, typmods: [integer(18), integer(0)] };
    if (first > 38) throw new SqlRefused(`DECIMAL precision ${first} must be between 1 and 38`);
    if ((scale ?? 0) < 0) throw unknownHere("a negative scale of DECIMAL");
    return fields;
  }
  if (first !== undefined && type !== "varchar" && type !== "bpchar") {
    throw unknownHere(`${type.toUpperCase()}(${first})`);
  }
  if (first !== undefined && first > (type === "bpchar" ? 4096 : VARCHAR_MAX)) {
    const words = type === "bpchar" ? "character" : "character varying";
    throw new SqlRefused(
      `length for type ${words} cannot exceed ${type === "bpchar" ? 4096 : VARCHAR_MAX}`,
    );
  }
  if (type === name) return fields;
  return { ...fields, names: [text("pg_catalog"), text(type)] };
}

/** A cast to a text of n bytes cuts what is longer, at n bytes. */
function cast(fields: Fields): Node {
  const type = fields["typeName"] as Fields;
  const name = textsOf(type["names"]).at(-1) ?? "";
  if (name === "bytea") throw unknownHere("a cast to VARBYTE");
  checkConstant(name, fields["arg"] as Node);
  if (!["varchar", "text", "bpchar"].includes(name)) return { TypeCast: fields };
  const [length] = typmodsOf(type);
  const asText = {
    TypeCast: {
      arg: fields["arg"],
      typeName: { names: [text("pg_catalog"), text("text")], typemod: -1 },
    },
  };
  const funcname = [text(COMPATIBILITY_SCHEMA), text(length === undefined ? "of_default" : "cut")];
  const args = [asText, ...(length === undefined ? [] : [integer(length)])];
  const cut = { FuncCall: { funcname, args, funcformat: "COERCE_EXPLICIT_CALL" } };
  const target = name === "text" ? { ...type, names: [text("pg_catalog"), text("varchar")] } : type;
  return { TypeCast: { arg: cut, typeName: target, location: -1 } };
}

const NUMBER = /^[-+.\deE ]*$/;
const TIME = /^(?! *[-+]?(?:infinity|epoch|allballs) *$)/i;

/** What constants of a type may look like, where PostgreSQL reads more: '0x1F', 'NaN', 'infinity'. */
const CONSTANTS: Readonly<Record<string, RegExp>> = {
  int2: NUMBER,
  int4: NUMBER,
  int8: NUMBER,
  numeric: NUMBER,
  bool: /^ *(?:t|true|y|yes|1|f|false|n|no|0) *$/i,
  date: TIME,
  time: TIME,
  timestamp: TIME,
  timestamptz: TIME,
};

function checkConstant(type: string, value: Node): void {
  const sval = (value["A_Const"]?.["sval"] as Fields | undefined)?.["sval"];
  if (typeof sval !== "string" || CONSTANTS[type]?.test(sval) !== false) return;
  throw unknownHere(`a cast of ${JSON.stringify(sval)} to ${type.toUpperCase()}`);
}

function typmodsOf(type: Fields): number[] {
  const typmods = (type["typmods"] as Node[] | undefined) ?? [];
  return typmods.map((node) => {
    const constant = node["A_Const"]?.["ival"] as Fields | undefined;
    return Number(constant?.["ival"] ?? 0);
  });
}

function textsOf(names: unknown): string[] {
  return ((names as Node[] | undefined) ?? []).map((node) => String(node["String"]?.["sval"]));
}

function text(sval: string): Node {
  return { String: { sval } };
}

function integer(ival: number): Node {
  return { A_Const: { ival: ival === 0 ? {} : { ival } } };
}

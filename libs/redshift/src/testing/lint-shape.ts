import { closingOf, splitAtCommas, type SqlToken } from "./sql-tokens.ts";
import { TYPES } from "./sql-vocabulary.ts";

type Tokens = readonly SqlToken[];

/** Reads a statement from its beginning; each step notes what is not as it should be. */
class Reader {
  readonly problems: string[] = [];
  readonly tokens: Tokens;
  at = 0;

  constructor(tokens: Tokens) {
    this.tokens = tokens;
  }

  get key(): string {
    return this.tokens[this.at]?.key ?? "";
  }

  is(...keys: readonly string[]): boolean {
    return keys.every((key, index) => this.tokens[this.at + index]?.key === key);
  }

  take(...keys: readonly string[]): boolean {
    if (!this.is(...keys)) return false;
    this.at += keys.length;
    return true;
  }

  want(what: string, ...keys: readonly string[]): void {
    if (!this.take(...keys)) this.refuse(`${what}: ${keys.join(" ")} is missing`);
  }

  /** A table as `"schema"."name"` or `"name"`. */
  table(what: string): void {
    if (this.tokens[this.at]?.kind !== "name") {
      this.refuse(`${what} is not a quoted name`);
      return;
    }
    this.at += 1;
    if (this.is(".")) {
      this.at += 2;
      if (this.tokens[this.at - 1]?.kind !== "name") this.refuse(`${what} is not quoted`);
    }
  }

  /** Moves over what is in parentheses, and gives it. */
  parentheses(what: string): Tokens {
    if (!this.is("(")) {
      this.refuse(`${what}: ( is missing`);
      return [];
    }
    const end = closingOf(this.tokens, this.at);
    const inner = this.tokens.slice(this.at + 1, end);
    this.at = end + 1;
    return inner;
  }

  /** Moves to the next of some words outside of parentheses, or to the end. */
  skipTo(...keys: readonly string[]): void {
    while (this.at < this.tokens.length && !keys.includes(this.key)) {
      this.at = this.is("(") ? closingOf(this.tokens, this.at) + 1 : this.at + 1;
    }
  }

  end(what: string): void {
    const left = this.tokens[this.at];
    if (left !== undefined) this.refuse(`${what} ends before ${left.text}`);
  }

  refuse(problem: string): void {
    this.problems.push(problem);
    this.at = this.tokens.length;
  }
}

/** The grammar of each kind of statement that we generate. Expressions are not looked into. */
const KINDS: Readonly<Record<string, (reader: Reader) => void>> = {
  MERGE: merge,
  DELETE: deletion,
  INSERT: insert,
  UPDATE: update,
  COPY: copy,
  LOCK: lock,
  CREATE: create,
  ALTER: alter,
  DROP: drop,
  SET: (reader) => reader.want("SET", "SET", "STATEMENT_TIMEOUT", "TO"),
  SELECT: select,
};

/** Problems of the statement as a whole. */
export function lintShape(tokens: Tokens): string[] {
  const kind = tokens[0]?.key ?? "";
  const read = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (read === undefined) return [`a statement that begins with ${kind} is none of ours`];
  const reader = new Reader(tokens);
  read(reader);
  return reader.problems;
}

/** https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html: the target has no alias, the source is a table. */
function merge(reader: Reader): void {
  reader.want("MERGE", "MERGE", "INTO");
  reader.table("the target of MERGE");
  reader.want("MERGE takes no alias of its target", "USING");
  reader.table("the source of MERGE, which must be a table,");
  if (reader.take("AS") || reader.tokens[reader.at]?.kind === "name") reader.table("the alias");
  reader.want("MERGE", "ON");
  reader.skipTo("WHEN", "REMOVE");
  if (reader.take("REMOVE", "DUPLICATES")) {
    reader.end("MERGE");
    return;
  }
  reader.want("MERGE has no condition on WHEN MATCHED", "WHEN", "MATCHED", "THEN");
  if (reader.take("UPDATE", "SET")) {
    assignments(reader, "WHEN");
  } else reader.want("MERGE", "DELETE");
  reader.want("MERGE needs both clauses, in order,", "WHEN", "NOT", "MATCHED", "THEN", "INSERT");
  if (reader.is("(")) names(reader, "MERGE INSERT");
  reader.want("MERGE", "VALUES");
  reader.parentheses("MERGE VALUES");
  reader.end("MERGE");
}

/** https://docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html: no alias, USING lists tables. */
function deletion(reader: Reader): void {
  reader.want("DELETE", "DELETE", "FROM");
  reader.table("the target of DELETE");
  if (reader.take("USING")) {
    do reader.table("what DELETE uses, which must be a table,");
    while (reader.take(","));
  }
  reader.want("DELETE takes no aliases, and needs WHERE", "WHERE");
}

function insert(reader: Reader): void {
  reader.want("INSERT", "INSERT", "INTO");
  reader.table("the target of INSERT");
  if (reader.is("(")) names(reader, "INSERT");
  else reader.refuse("INSERT without names of columns depends on their order");
  if (reader.is("SELECT")) {
    select(reader);
    return;
  }
  reader.want("INSERT", "VALUES");
  do reader.parentheses("VALUES");
  while (reader.take(","));
  reader.end("INSERT");
}

function update(reader: Reader): void {
  reader.want("UPDATE", "UPDATE");
  reader.table("the target of UPDATE");
  reader.want("UPDATE takes no alias here", "SET");
  assignments(reader, "WHERE", "FROM");
}

/** Columns that are set are named without their table. */
function assignments(reader: Reader, ...ends: readonly string[]): void {
  const start = reader.at;
  let depth = 0;
  while (reader.at < reader.tokens.length && !(depth === 0 && ends.includes(reader.key))) {
    if (reader.is("CASE")) depth += 1;
    if (reader.is("END")) depth -= 1;
    reader.at = reader.is("(") ? closingOf(reader.tokens, reader.at) + 1 : reader.at + 1;
  }
  const { at } = reader;
  for (const part of splitAtCommas(reader.tokens.slice(start, at))) {
    if (part[0]?.kind !== "name" || part[1]?.text !== "=") {
      reader.refuse("SET takes the bare name of a column and =");
      return;
    }
  }
}

/**
 * COPY from columnar files takes few options, and no list of columns that we need
 * (https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html).
 */
function copy(reader: Reader): void {
  reader.want("COPY", "COPY");
  reader.table("the target of COPY");
  reader.want("COPY", "FROM");
  const source = reader.tokens[reader.at];
  if (source?.kind !== "string" || !source.text.startsWith("'s3://")) {
    reader.refuse("COPY reads from s3://");
    return;
  }
  reader.at += 1;
  reader.want("COPY", "IAM_ROLE");
  if (!reader.take("DEFAULT")) {
    const role = reader.tokens[reader.at];
    if (!role?.text.startsWith("'arn:")) {
      reader.refuse("IAM_ROLE takes an ARN or default");
      return;
    }
    reader.at += 1;
  }
  reader.want("COPY", "FORMAT", "AS", "PARQUET");
  reader.take("MANIFEST");
  reader.end("COPY from Parquet");
}

/** https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html: there are no modes. */
function lock(reader: Reader): void {
  reader.want("LOCK", "LOCK");
  reader.take("TABLE");
  reader.table("what LOCK locks");
  reader.end("LOCK");
}

function create(reader: Reader): void {
  reader.want("CREATE", "CREATE");
  if (reader.take("SCHEMA")) {
    reader.take("IF", "NOT", "EXISTS");
    reader.table("the schema");
    return;
  }
  const temporary = reader.take("TEMP");
  reader.want("CREATE", "TABLE");
  reader.take("IF", "NOT", "EXISTS");
  reader.table("the new table");
  if (reader.take("AS")) {
    select(reader);
    return;
  }
  for (const part of splitAtCommas(reader.parentheses("CREATE TABLE"))) columnOf(part, reader);
  const attributes = ["DISTSTYLE", "DISTKEY", "COMPOUND", "SORTKEY"];
  if (!temporary && reader.at < reader.tokens.length && !attributes.includes(reader.key)) {
    reader.refuse(`${reader.key} is no attribute of a table`);
  }
}

function columnOf(part: Tokens, reader: Reader): void {
  if (part[0]?.key === "PRIMARY" && part[0].kind === "word") return;
  const type = part[1]?.key ?? "";
  if (part[0]?.kind !== "name" || !TYPES.has(type)) {
    reader.refuse(`${part[0]?.text ?? "a column"} has no type that Redshift knows`);
    return;
  }
  const size = Number(part[3]?.text ?? Number.NaN);
  if (type === "VARCHAR" && !(size >= 1 && size <= 65_535)) {
    reader.refuse(`${part[0].text}: VARCHAR takes 1 to 65535 bytes`);
  }
  if (type === "VARBYTE" && !(size >= 1 && size <= 16_777_216)) {
    reader.refuse(`${part[0].text}: VARBYTE takes 1 to 16777216 bytes`);
  }
}

function alter(reader: Reader): void {
  reader.want("ALTER", "ALTER", "TABLE");
  reader.table("the altered table");
  reader.want("ALTER TABLE adds one column", "ADD", "COLUMN");
  columnOf(reader.tokens.slice(reader.at), reader);
}

function drop(reader: Reader): void {
  reader.want("DROP", "DROP");
  if (!reader.take("SCHEMA")) reader.want("DROP", "TABLE");
  reader.take("IF", "EXISTS");
  reader.table("what DROP drops");
}

function select(reader: Reader): void {
  reader.want("SELECT", "SELECT");
  // Every derived table needs a name, as in PostgreSQL 8.
  reader.tokens.forEach((token, index) => {
    if (token.text !== "(" || reader.tokens[index + 1]?.key !== "SELECT") return;
    const before = reader.tokens[index - 1]?.key ?? "";
    if (before !== "FROM" && before !== "JOIN" && before !== ",") return;
    const after = reader.tokens[closingOf(reader.tokens, index) + 1];
    if (after?.key !== "AS" && after?.kind !== "name") {
      reader.problems.push("a query in FROM has no alias");
    }
  });
}

function names(reader: Reader, what: string): void {
  const parts = splitAtCommas(reader.parentheses(what));
  if (parts.some((part) => part.length !== 1 || part[0]?.kind !== "name")) {
    reader.refuse(`${what}: columns are listed by their quoted names`);
  }
}

import { rewriteExpressions } from "./expressions.ts";
import {
  closing,
  nameOf,
  nextIndex,
  quoteName,
  render,
  significant,
  splitAt,
  type Token,
} from "./tokens.ts";
import { SqlRefused, unknownHere } from "./refused.ts";

const VARCHAR_DEFAULT = 256;
const VARCHAR_MAX = 65535;
const VARBYTE_DEFAULT = 64_000;
const VARBYTE_MAX = 1_024_000;
const TEXT_TYPES = new Set(["VARCHAR", "NVARCHAR", "CHAR", "CHARACTER", "NCHAR", "BPCHAR", "TEXT"]);
const COLUMN_WORDS = new Set([
  "ENCODE",
  "DISTKEY",
  "SORTKEY",
  "PRIMARY",
  "UNIQUE",
  "REFERENCES",
  "IDENTITY",
  "GENERATED",
  "DEFAULT",
  "NOT",
  "NULL",
  "COLLATE",
]);
/** Redshift's own message; the check that stands for its byte lengths carries this name. */
export const BYTES_CHECK = "redshift_bytes_";

/**
 * Translates CREATE TABLE: DISTKEY, SORTKEY, DISTSTYLE, ENCODE and BACKUP go; PRIMARY KEY, UNIQUE
 * and FOREIGN KEY go too, since Redshift accepts and does not enforce them (a primary key still
 * means NOT NULL); IDENTITY becomes PostgreSQL's; VARCHAR(n) gets a check, since n is bytes.
 */
export function translateCreateTable(tokens: readonly Token[]): {
  sql: string;
  temporary: boolean;
} {
  const words = significant(tokens);
  let at = 1;
  let temporary = false;
  while (["LOCAL", "TEMP", "TEMPORARY"].includes(words[at]?.key ?? "")) {
    temporary = true;
    at += 1;
  }
  at += 1; // TABLE
  let guard = "";
  if (words[at]?.key === "IF") {
    guard = "IF NOT EXISTS ";
    at += 3;
  }
  let name = tableName(words[at]);
  if (words[at]?.text.startsWith("#")) temporary = true;
  at += 1;
  while (words[at]?.text === ".") {
    name += `.${tableName(words[at + 1])}`;
    at += 2;
  }
  const anchor = tokens.indexOf(words[at] as Token);
  const body = tokens.slice(anchor < 0 ? tokens.length : anchor);
  const head = `CREATE ${temporary ? "TEMP " : ""}TABLE ${guard}${name}`;
  return { sql: `${head} ${translateBody(body)}`, temporary };
}

/** The definition of one column, as ALTER TABLE ADD COLUMN has it too. */
export function translateColumn(tokens: readonly Token[], keys: ReadonlySet<string>): string {
  const words = significant(tokens);
  const name = nameOf(words[0]);
  const typeEnd = words.findIndex((word, index) => index > 0 && COLUMN_WORDS.has(word.key));
  const typeWords = words.slice(1, typeEnd < 0 ? words.length : typeEnd);
  const { type, bytes } = translateType(typeWords);
  const attributes = columnAttributes(typeEnd < 0 ? [] : words.slice(typeEnd));
  const quoted = quoteName(name);
  const notNull = keys.has(name) && !attributes.includes("NOT NULL") ? " NOT NULL" : "";
  const check =
    bytes === undefined
      ? ""
      : ` CONSTRAINT ${quoteName(BYTES_CHECK + name)} CHECK (octet_length(${quoted}) <= ${bytes})`;
  return `${quoted} ${type}${attributes === "" ? "" : ` ${attributes}`}${notNull}${check}`;
}

function tableName(token: Token | undefined): string {
  return quoteName(nameOf(token));
}

function translateBody(body: readonly Token[]): string {
  let rest = body;
  let columns = "";
  if (body[0]?.text === "(") {
    const close = closing(body, 0);
    columns = `(${translateElements(body.slice(1, close))})`;
    rest = body.slice(close + 1);
  }
  const as = topLevelIndex(rest, "AS");
  if (as < 0) return columns;
  return `${columns} AS ${render(rewriteExpressions(rest.slice(as + 1)))}`;
}

function topLevelIndex(tokens: readonly Token[], key: string): number {
  for (let index = 0; index < tokens.length; index++) {
    if (tokens[index]?.text === "(") index = closing(tokens, index);
    else if (tokens[index]?.key === key) return index;
  }
  return -1;
}

function translateElements(tokens: readonly Token[]): string {
  const elements = splitAt(tokens, ",");
  const keys = new Set(elements.flatMap(primaryKeyColumns));
  const kept: string[] = [];
  for (const element of elements) {
    const [first, second] = significant(element);
    if (first?.key === "LIKE") kept.push(translateLike(element));
    else if (!isConstraint(first, second)) kept.push(translateElement(element, keys));
  }
  return kept.join(", ");
}

/** CREATE TABLE AS may name its columns without types. */
function translateElement(element: readonly Token[], keys: ReadonlySet<string>): string {
  const words = significant(element);
  return words.length === 1 ? quoteName(nameOf(words[0])) : translateColumn(element, keys);
}

/** LIKE copies NOT NULL in both; the checks that stand for byte lengths must come along. */
function translateLike(element: readonly Token[]): string {
  const words = significant(element);
  const defaults = words.findIndex((word) => word.key === "INCLUDING" || word.key === "EXCLUDING");
  const source = words.slice(1, defaults < 0 ? words.length : defaults);
  const options =
    defaults >= 0 && words[defaults]?.key === "INCLUDING" ? " INCLUDING DEFAULTS" : "";
  const name = source.map((word) => (word.text === "." ? "." : quoteName(nameOf(word)))).join("");
  return `LIKE ${name} INCLUDING CONSTRAINTS${options}`;
}

function isConstraint(first: Token | undefined, second: Token | undefined): boolean {
  if (first?.kind !== "word") return false;
  if (first.key === "CONSTRAINT") return true;
  if (first.key === "PRIMARY" || first.key === "FOREIGN") return second?.key === "KEY";
  return first.key === "UNIQUE" && second?.text === "(";
}

function primaryKeyColumns(element: readonly Token[]): string[] {
  const words = significant(element);
  const primary = words.findIndex((word) => word.key === "PRIMARY");
  if (primary < 0 || words[primary + 1]?.key !== "KEY") return [];
  if (primary > 0 && words[0]?.key !== "CONSTRAINT") return [nameOf(words[0])];
  return words
    .slice(primary + 3, -1)
    .filter((word) => word.text !== ",")
    .map(nameOf);
}

function translateType(words: readonly Token[]): { type: string; bytes?: number } {
  const first = words[0]?.key ?? "";
  if (first === "SUPER") throw unknownHere("the type SUPER");
  if (["JSONB", "JSON", "SERIAL", "BIGSERIAL", "UUID", "XML", "MONEY", "BYTEA"].includes(first)) {
    throw new SqlRefused(
      `Column "${first.toLowerCase()}" has unsupported type "${first.toLowerCase()}".`,
    );
  }
  if (words.some((word) => word.text === "[")) {
    throw new SqlRefused("Array types are not supported on Redshift tables.");
  }
  if (["VARBYTE", "VARBINARY", "BINARY"].includes(first)) return varbyte(words);
  if (["DECIMAL", "NUMERIC", "DEC"].includes(first) && words.length === 1) {
    return { type: "decimal(18,0)" };
  }
  if (!TEXT_TYPES.has(first)) return { type: render(spaced(words)) };
  const open = words.findIndex((word) => word.text === "(");
  const varying = first.includes("VARCHAR") || first === "TEXT" || words[1]?.key === "VARYING";
  const given = open < 0 ? undefined : words[open + 1]?.key;
  const fallback = varying || first === "BPCHAR" ? VARCHAR_DEFAULT : 1;
  const length = given === "MAX" ? VARCHAR_MAX : Number(given ?? fallback);
  if (length > VARCHAR_MAX) {
    throw new SqlRefused(`length for type character varying cannot exceed ${VARCHAR_MAX}`);
  }
  // CHAR(n) is filled up to n characters: where one of them has several bytes, the check sees it.
  return { type: `${varying ? "varchar" : "char"}(${length})`, bytes: length };
}

/** Uncompressed: compressing the raw posts of a stage takes longer than all else in a COPY. */
function varbyte(words: readonly Token[]): { type: string; bytes: number } {
  const open = words.findIndex((word) => word.text === "(");
  const bytes = open < 0 ? VARBYTE_DEFAULT : Number(words[open + 1]?.text);
  if (!(bytes >= 1 && bytes <= VARBYTE_MAX)) {
    throw new SqlRefused(`length for type varbyte cannot exceed ${VARBYTE_MAX}`);
  }
  return { type: "bytea STORAGE EXTERNAL", bytes };
}

function columnAttributes(words: readonly Token[]): string {
  const kept: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const key = words[index]?.key ?? "";
    const open = words[index + 1]?.text === "(";
    switch (key) {
      case "ENCODE":
        index += 1;
        break;
      case "COLLATE":
        index += 1;
        if (!/^(CASE_SENSITIVE|CS)$/.test(words[index]?.key ?? "")) {
          throw unknownHere(`COLLATE ${words[index]?.text ?? ""}`);
        }
        break;
      case "DISTKEY":
      case "SORTKEY":
      case "UNIQUE":
        break;
      case "PRIMARY":
        index += 1;
        break;
      case "REFERENCES":
        index = referenceEnd(words, index);
        break;
      case "IDENTITY":
        kept.push(identity("ALWAYS", words, index));
        index = open ? closing(words, index + 1) : index;
        break;
      case "GENERATED": {
        const at = words.findIndex((word, place) => place > index && word.key === "IDENTITY");
        kept.push(identity("BY DEFAULT", words, at));
        index = closing(words, at + 1);
        break;
      }
      case "DEFAULT": {
        const end = defaultEnd(words, index);
        kept.push(render(rewriteExpressions(spaced(words.slice(index, end)))));
        index = end - 1;
        break;
      }
      case "NOT":
      case "NULL":
        kept.push(key);
        break;
      default:
        throw unknownHere(`${words[index]?.text ?? ""} of a column`);
    }
  }
  return kept.join(" ").replace(/\bnot null\b/i, "NOT NULL");
}

function referenceEnd(words: readonly Token[], index: number): number {
  let at = index + 1;
  while (words[at + 1]?.text === ".") at += 2;
  return words[at + 1]?.text === "(" ? closing(words, at + 1) : at;
}

function defaultEnd(words: readonly Token[], index: number): number {
  for (let at = index + 2; at < words.length; at++) {
    if (words[at]?.text === "(") at = closing(words, at);
    else if (COLUMN_WORDS.has(words[at]?.key ?? "")) return at;
  }
  return words.length;
}

function identity(mode: string, words: readonly Token[], index: number): string {
  const open = nextIndex(words, index + 1);
  const [seed, step] = splitAt(words.slice(open + 1, closing(words, open)), ",").map(render);
  const options = `START WITH ${seed ?? "1"} INCREMENT BY ${step ?? "1"}`;
  return `GENERATED ${mode} AS IDENTITY (MINVALUE -9223372036854775808 ${options})`;
}

function spaced(words: readonly Token[]): Token[] {
  return words.flatMap((word, index): Token[] =>
    index === 0 ? [word] : [{ kind: "space", text: " ", key: " " }, word],
  );
}

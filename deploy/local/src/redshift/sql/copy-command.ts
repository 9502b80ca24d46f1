import { closing, nameOf, significant, splitAt, stringOf, type Token } from "./tokens.ts";
import { SqlRefused, unknownHere } from "./refused.ts";

/** COPY table FROM 's3://...', as far as this endpoint runs it. */
export interface CopyCommand {
  readonly schema: string | undefined;
  readonly table: string;
  /** Empty: all columns of the table in their order. */
  readonly columns: readonly string[];
  readonly source: string;
  readonly format: "parquet" | "json";
  /** How JSON keys find their columns. */
  readonly json: "auto" | "auto ignorecase";
  readonly manifest: boolean;
  readonly gzip: boolean;
  readonly noLoad: boolean;
  readonly fillRecord: boolean;
  readonly truncateColumns: boolean;
}

const FLAGS = new Set(["MANIFEST", "GZIP", "NOLOAD", "FILLRECORD", "TRUNCATECOLUMNS"]);
/** Options with an optional ON/OFF/TRUE/FALSE/PRESET that only steer Redshift's own storage. */
const SWITCHES = new Set(["COMPUPDATE", "STATUPDATE"]);
const SWITCH_VALUES = new Set(["ON", "OFF", "TRUE", "FALSE", "PRESET"]);
const CREDENTIALS = new Set([
  "IAM_ROLE",
  "CREDENTIALS",
  "ACCESS_KEY_ID",
  "SECRET_ACCESS_KEY",
  "SESSION_TOKEN",
]);
const COLUMNAR_ALLOWS = new Set(["MANIFEST", "FILLRECORD", "STATUPDATE"]);

/** @throws SqlRefused naming the option that Redshift or this endpoint does not take */
export function parseCopy(words: readonly Token[]): CopyCommand {
  let at = 1;
  let table = nameOf(words[at++]);
  let schema: string | undefined;
  if (words[at]?.text === ".") {
    schema = table;
    table = nameOf(words[at + 1]);
    at += 2;
  }
  let columns: string[] = [];
  if (words[at]?.text === "(") {
    const close = closing(words, at);
    columns = splitAt(words.slice(at + 1, close), ",").map((part) => nameOf(significant(part)[0]));
    at = close + 1;
  }
  const source = stringOf(words[at + 1]);
  if (words[at]?.key !== "FROM" || source === undefined) {
    throw new SqlRefused(`syntax error at or near ${JSON.stringify(words[at]?.text ?? "")}`);
  }
  if (!source.startsWith("s3://")) {
    throw new SqlRefused(
      `COPY from ${source} is not supported by this endpoint; give an s3:// path.`,
    );
  }
  return { schema, table, columns, source, ...options(words.slice(at + 2)) };
}

type Options = Omit<CopyCommand, "schema" | "table" | "columns" | "source">;

function options(words: readonly Token[]): Options {
  const flags = new Set<string>();
  let format: "parquet" | "json" | undefined;
  let json: Options["json"] = "auto";
  let authorized = false;
  for (let at = 0; at < words.length; at++) {
    const key = words[at]?.key ?? "";
    if (CREDENTIALS.has(key)) {
      authorized = true;
      at = valueIndex(words, at);
    } else if (FLAGS.has(key)) flags.add(key);
    else if (key === "REGION") {
      flags.add(key);
      at = valueIndex(words, at);
    } else if (SWITCHES.has(key)) {
      flags.add(key);
      at += SWITCH_VALUES.has(words[at + 1]?.key ?? "") ? 1 : 0;
    } else if (key === "FORMAT") at += words[at + 1]?.key === "AS" ? 1 : 0;
    else if (key === "PARQUET") format = "parquet";
    else if (key === "JSON") {
      format = "json";
      const value = valueIndex(words, at);
      const mode = stringOf(words[value]);
      if (mode !== undefined) {
        json = jsonMode(mode);
        at = value;
      }
    } else throw unknownHere(`the COPY option ${key}`);
  }
  if (!authorized) throw new SqlRefused("COPY needs IAM_ROLE or another authorization.");
  if (format === undefined) {
    throw new SqlRefused(
      "COPY of delimited text is not supported by this endpoint; use PARQUET or JSON.",
    );
  }
  if (format === "parquet") refuseForColumnar(flags);
  return {
    format,
    json,
    manifest: flags.has("MANIFEST"),
    gzip: flags.has("GZIP"),
    noLoad: flags.has("NOLOAD"),
    fillRecord: flags.has("FILLRECORD"),
    truncateColumns: flags.has("TRUNCATECOLUMNS"),
  };
}

function refuseForColumnar(flags: ReadonlySet<string>): void {
  for (const flag of flags) {
    if (!COLUMNAR_ALLOWS.has(flag)) {
      throw new SqlRefused(`COPY from this file format does not support ${flag}.`);
    }
  }
}

function valueIndex(words: readonly Token[], at: number): number {
  return words[at + 1]?.key === "AS" ? at + 2 : at + 1;
}

function jsonMode(mode: string): Options["json"] {
  if (mode === "auto" || mode === "auto ignorecase") return mode;
  throw unknownHere(`COPY JSON '${mode}'`);
}

import { createReadStream, createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { CopyCommand } from "../sql/copy-command.ts";
import { CopyFailed } from "./failed.ts";
import type { TargetColumn } from "./table.ts";

/** Redshift's limit of one JSON object. */
const OBJECT_BYTES_MAX = 4 * 1024 * 1024;

const INTEGER = /^[+-]?\d+$/;
const FRACTION = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * What COPY takes for a number, and for a time when it is told no format. PostgreSQL would read more
 * forms: 0x1F, 1_000, NaN, 20240304.
 */
const FORMS: Readonly<Record<string, RegExp>> = {
  int2: INTEGER,
  int4: INTEGER,
  int8: INTEGER,
  numeric: FRACTION,
  date: /^\d{4}-\d\d-\d\d$/,
  timestamp: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/,
  timestamptz: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?([+-]\d\d(:?\d\d)?)?$/,
};

interface JsonFile {
  readonly path: string;
  readonly url: string;
  readonly table: string;
}

/** Reads JSON objects, one after the other with any space between, into CSV for PostgreSQL. */
export async function jsonToCsv(
  file: JsonFile,
  copy: CopyCommand,
  columns: readonly TargetColumn[],
  csvPath: string,
  signal: AbortSignal,
): Promise<void> {
  const rows = new Transform({
    readableObjectMode: false,
    writableObjectMode: false,
    transform(chunk: Buffer, _encoding, done) {
      run(done, () => splitter.push(decode(chunk)));
    },
    flush(done) {
      run(done, () => splitter.end(decode()));
    },
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Buffer) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw failure(file, 0, "", "String contains invalid or unsupported UTF8 codepoints");
    }
  };
  const splitter = new ObjectSplitter(file);
  const run = (done: (error?: Error | null, data?: string) => void, read: () => JsonText[]) => {
    try {
      const lines = read().map((object) => csvLine(file, copy, columns, object));
      done(null, lines.join(""));
    } catch (error) {
      done(error as Error);
    }
  };
  const source = createReadStream(file.path);
  const target = createWriteStream(csvPath);
  if (copy.gzip) await pipeline(source, createGunzip(), rows, target, { signal });
  else await pipeline(source, rows, target, { signal });
}

interface JsonText {
  readonly text: string;
  readonly line: number;
}

/** Finds where top-level JSON objects begin and end; they may span lines. */
class ObjectSplitter {
  readonly #file: JsonFile;
  #rest = "";
  #scanned = 0;
  #depth = 0;
  #inString = false;
  #line = 1;
  #startLine = 1;

  constructor(file: JsonFile) {
    this.#file = file;
  }

  push(chunk: string): JsonText[] {
    this.#rest += chunk;
    const objects: JsonText[] = [];
    let start = 0;
    let at = this.#scanned;
    for (; at < this.#rest.length; at++) {
      const char = this.#rest.charCodeAt(at);
      if (char === 10) this.#line += 1;
      if (this.#inString) {
        if (char === 92) at += 1;
        else if (char === 34) this.#inString = false;
      } else if (char === 34) {
        this.#refuseOutside();
        this.#inString = true;
      } else if (char === 123 || char === 91) {
        if (this.#depth++ === 0) {
          start = at;
          this.#startLine = this.#line;
        }
      } else if (char === 125 || char === 93) {
        this.#refuseOutside();
        if (--this.#depth === 0) {
          objects.push({ text: this.#rest.slice(start, at + 1), line: this.#startLine });
          start = at + 1;
        }
      } else if (char > 32) this.#refuseOutside();
    }
    this.#rest = this.#rest.slice(start);
    this.#scanned = at - start;
    if (this.#rest.length > OBJECT_BYTES_MAX)
      throw this.#failure("JSON object is larger than 4 MB");
    return objects;
  }

  end(chunk: string): JsonText[] {
    const objects = this.push(chunk);
    if (this.#depth > 0 || this.#inString)
      throw this.#failure("Invalid JSON: the last object is not complete");
    return objects;
  }

  #refuseOutside(): void {
    if (this.#depth === 0) throw this.#failure("Invalid JSON: text outside of an object");
  }

  #failure(reason: string): CopyFailed {
    return failure(this.#file, this.#line, "", reason);
  }
}

function csvLine(
  file: JsonFile,
  copy: CopyCommand,
  columns: readonly TargetColumn[],
  object: JsonText,
): string {
  let parsed: unknown;
  try {
    // Numbers keep their digits: int64 and decimals must not pass through a double.
    parsed = JSON.parse(object.text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === "number" ? new Digits(context?.source ?? String(value)) : value,
    );
  } catch (error) {
    throw failure(file, object.line, "", `Invalid JSON: ${(error as Error).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw failure(file, object.line, "", "Invalid JSON: not an object");
  }
  const values = keysOf(parsed as Record<string, unknown>, copy.json === "auto ignorecase");
  const cells = columns.map((column) => {
    const value = values.get(column.name);
    const text = value instanceof Digits ? value.text : value;
    if (typeof text === "string" && FORMS[column.type]?.test(text) === false) {
      throw failure(file, object.line, column.name, `Invalid ${column.type} format`);
    }
    return cell(value, column, copy.truncateColumns);
  });
  return `${cells.join(",")}\n`;
}

class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON(): unknown {
    // In every engine since 2024, not yet in TypeScript's library.
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.text);
  }
}

function keysOf(object: Record<string, unknown>, ignoreCase: boolean): Map<string, unknown> {
  return new Map(
    Object.entries(object).map(([key, value]) => [ignoreCase ? key.toLowerCase() : key, value]),
  );
}

function cell(value: unknown, column: TargetColumn, truncate: boolean): string {
  if (value === undefined || value === null) return "";
  if (value instanceof Digits) return quoted(fitted(value.text, column));
  if (typeof value === "string") {
    return quoted(
      truncate && column.bytesMax !== undefined
        ? cut(value, column.bytesMax)
        : fitted(value, column),
    );
  }
  return quoted(typeof value === "boolean" ? String(value) : JSON.stringify(value));
}

/** Without ROUNDEC, COPY cuts the digits that a DECIMAL has no place for. */
function fitted(text: string, { scale }: TargetColumn): string {
  if (scale === undefined) return text;
  const [, whole = "", digits = ""] = /^([+-]?\d*)\.(\d*)$/.exec(text) ?? [];
  return digits.length > scale ? `${whole}.${digits.slice(0, scale)}` : text;
}

/** The longest start of a text that has at most so many UTF-8 bytes. */
function cut(value: string, bytesMax: number): string {
  const bytes = Buffer.from(value);
  if (bytes.length <= bytesMax) return value;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

function quoted(value: string): string {
  return `"${value.replaceAll('"', '""')}"`;
}

function failure(file: JsonFile, line: number, column: string, reason: string): CopyFailed {
  return new CopyFailed(
    `Load into table '${file.table}' failed. Check 'stl_load_errors' system table for details. ` +
      `(${file.url}, line ${line}: ${reason})`,
    { table: file.table, file: file.url, line, column, reason },
  );
}

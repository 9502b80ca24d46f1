import { ConfigError, invariant } from "@hybridge/core";

/** The schema and the table of posts, as they are called, not quoted; the other tables derive. */
export interface TableNames {
  readonly schema: string;
  readonly table: string;
}

/** The tables that loads write, as SQL names them: quoted, with their schema. */
export interface RedshiftTables {
  readonly schema: string;
  readonly posts: string;
  /** One row: up to which commit of which landing log everything is loaded. */
  readonly position: string;
  /** Ranges of offsets that are loaded, by partition and topic id. */
  readonly ranges: string;
  readonly deletions: string;
  /** The ledger of the version before the landing log: a row for each segment that is loaded. */
  readonly loads: string;
  /** Empty; loads lock it, and nobody reads it. */
  readonly lock: string;
}

/** Bytes of a name (AWS: "Names and identifiers"). */
const NAME_BYTES_MAX = 127;
/** What the names of tables that derive from the table of posts end with. */
const SUFFIXES = {
  position: "_position",
  ranges: "_ranges",
  deletions: "_deletions",
  loads: "_loads",
  lock: "_load_lock",
} as const;
/** Temporary tables of a load; a table of posts of that name would hide behind them. */
export const TEMPORARY_PREFIX = "hybridge_load_";

/**
 * The names of all tables.
 *
 * @throws ConfigError for a name that Redshift does not take, or folds to another
 */
export function tableNames({ schema, table }: TableNames) {
  checkName("schema", schema, NAME_BYTES_MAX);
  checkName("table", table, NAME_BYTES_MAX - SUFFIXES.deletions.length);
  const { position, ranges, deletions, loads, lock } = SUFFIXES;
  return {
    schema,
    posts: table,
    position: table + position,
    ranges: table + ranges,
    deletions: table + deletions,
    loads: table + loads,
    lock: table + lock,
  } as const;
}

/** @throws ConfigError as tableNames */
export function redshiftTables(names: TableNames): RedshiftTables {
  const { schema, posts, ...others } = tableNames(names);
  const full = (table: string) => `${quoteName(schema)}.${quoteName(table)}`;
  return {
    schema: quoteName(schema),
    posts: full(posts),
    position: full(others.position),
    ranges: full(others.ranges),
    deletions: full(others.deletions),
    loads: full(others.loads),
    lock: full(others.lock),
  };
}

/** A name as SQL has it. Everything is quoted, since the list of reserved words grows. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL has it. None of ours has a backslash, which is an escape in Redshift. */
export function quoteText(text: string): string {
  invariant(!text.includes("\\"), `${JSON.stringify(text)} has a backslash`);
  return `'${text.replaceAll("'", "''")}'`;
}

/** What is wrong with the name of a schema or table; undefined when nothing is. */
export function nameProblem(name: string, bytesMax = NAME_BYTES_MAX): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > bytesMax) return `must have 1 to ${bytesMax} bytes`;
  if (/[\p{Cc}\\]/u.test(name) || !name.isWellFormed()) {
    return "must have no control characters and no backslash";
  }
  if (/--|\/\*/.test(name))
    return "must not have -- or /*, which is taken for a comment on the way";
  // Quoted or not, unless a cluster is set up otherwise.
  if (name !== name.toLowerCase()) return "must be in lower case, which Redshift folds names to";
  if (name.startsWith(TEMPORARY_PREFIX)) return `must not begin with ${TEMPORARY_PREFIX}`;
  return undefined;
}

function checkName(what: string, name: string, bytesMax: number): void {
  const problem = nameProblem(name, bytesMax);
  if (problem === undefined) return;
  throw new ConfigError(`the Redshift ${what} ${JSON.stringify(name)}: ${problem}`);
}

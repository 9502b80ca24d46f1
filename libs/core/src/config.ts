import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { Secret } from "./secret.ts";

/** One setting: its schema (with default and bounds) and the sentence that --help prints. */
export interface Setting<S extends z.ZodType = z.ZodType> {
  readonly schema: S;
  readonly doc: string;
  /**
   * Never printed, logged or put into an error: its value is a Secret. Its twin NAME_FILE names a
   * file that holds it and is read again when it changes.
   */
  readonly secret?: boolean;
}

/** The settings of one program, by the names of their environment variables. */
export type Settings = Readonly<Record<string, Setting>>;

/** The values of some settings, by the same names. */
export type Config<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends { readonly secret: true }
    ? Secret | Extract<z.output<S[K]["schema"]>, undefined>
    : z.output<S[K]["schema"]>;
};

const PREFIX = "HYBRIDGE_";
const FILE = "_FILE";

/**
 * Reads all settings of a program from its environment.
 *
 * An empty variable counts as not set. A variable that starts with HYBRIDGE_ and is not a setting
 * of the program is refused, with the nearest known name.
 *
 * @throws ConfigError that lists every problem at once
 */
export function readConfig<S extends Settings>(
  settings: S,
  env: Readonly<Record<string, string | undefined>>,
): Config<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) {
    const given = givenIn(env, name);
    const file = setting.secret ? givenIn(env, `${name}${FILE}`) : undefined;
    const read = file === undefined ? plain(name, setting, given) : fromFile(name, file, given);
    if ("problem" in read) problems.push(read.problem);
    else values[name] = read.value;
  }
  const known = new Set(settingNames(settings));
  for (const name of Object.keys(env)) {
    if (name.startsWith(PREFIX) && !known.has(name)) {
      problems.push(`${name}: is not a setting of this program${didYouMean(name, known)}`);
    }
  }
  if (problems.length > 0) {
    throw new ConfigError(
      `${problems.length === 1 ? "a setting is" : `${String(problems.length)} settings are`} wrong:\n` +
        problems.map((problem) => `  ${problem}`).join("\n"),
    );
  }
  return values as Config<S>;
}

/** The names of all settings, those of the files of secrets included. */
export function settingNames(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, { secret }]) =>
    secret ? [name, `${name}${FILE}`] : [name],
  );
}

/** What a setting means, for --help and the page of settings. */
export function describeSetting(name: string, setting: Setting): string {
  if (!setting.secret) return setting.doc;
  return `${setting.doc}; or ${name}${FILE}: a file that holds it, read again when it changes`;
}

/** The text of --help about the settings: name, default and meaning, a line or two each. */
export function describeSettings(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, setting]) => {
      const fallback = setting.schema.safeParse(undefined);
      const value = fallback.success ? showValue(fallback.data) : "(required)";
      return `  ${name}${value === "" ? "" : `  ${setting.secret ? "" : value}`}\n      ${describeSetting(name, setting)}`;
    })
    .join("\n");
}

/** Schemas that settings share. All of them take text and say what they want. */
export const setting = {
  /** A TCP port; 0 lets the system choose one. */
  port: (fallback: number) => integer(0, 65535, fallback),
  integer,
  text: (fallback?: string) => withDefault(z.string().min(1), fallback),
  flag: (fallback: boolean) =>
    z
      .enum(["true", "false"], { error: "must be true or false" })
      .transform((value) => value === "true")
      .default(fallback),
  /** `host:port[,host:port...]`, kept as text. */
  bootstrap: (fallback?: string) =>
    withDefault(
      z.string().refine(isBootstrap, {
        error: "must be host:port, or several of them with commas; a port is 1 to 65535",
      }),
      fallback,
    ),
  /** An http or https URL, kept as text without a slash at its end. */
  url: (fallback?: string) =>
    withDefault(
      z
        .string()
        .refine(isHttpUrl, { error: "must be an http:// or https:// URL with a valid port" })
        .transform((value) => value.replace(/\/+$/, "")),
      fallback,
    ),
  oneOf: <const T extends readonly [string, ...string[]]>(values: T, fallback: T[number]) =>
    z.enum(values, { error: `must be one of ${values.join(", ")}` }).default(fallback as never),
  optional: () => z.string().min(1).optional(),
} as const;

function integer(least: number, most: number, fallback?: number) {
  const error = `must be a whole number from ${String(least)} to ${String(most)}`;
  const schema = z
    .string()
    .regex(/^-?\d+$/, { error })
    .transform(Number)
    .pipe(z.number().min(least, { error }).max(most, { error }));
  return fallback === undefined ? schema : schema.default(fallback);
}

function withDefault<S extends z.ZodType>(schema: S, fallback: string | undefined) {
  // prefault: the default passes through the same checks as a given value.
  return fallback === undefined ? schema : (schema.prefault(fallback as never) as unknown as S);
}

function isBootstrap(value: string): boolean {
  return value.split(",").every((part) => {
    const match = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})$/.exec(part.trim());
    const port = Number(match?.[2] ?? 0);
    return port >= 1 && port <= 65535;
  });
}

function isHttpUrl(value: string): boolean {
  return /^https?:\/\//.test(value) && URL.canParse(value);
}

type Read = { readonly value: unknown } | { readonly problem: string };

function givenIn(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
  return env[name] === "" ? undefined : env[name];
}

function plain(name: string, setting: Setting, given: string | undefined): Read {
  const result = setting.schema.safeParse(given);
  if (!result.success) return { problem: problemOf(name, setting, given, result.error) };
  if (!setting.secret || typeof result.data !== "string") return { value: result.data };
  return { value: Secret.of(result.data) };
}

function fromFile(name: string, file: string, given: string | undefined): Read {
  if (given !== undefined) {
    return { problem: `${name} and ${name}${FILE}: only one of the two may be set` };
  }
  try {
    return { value: Secret.fromFile(file) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { problem: `${name}${FILE}: ${file} cannot be read: ${why}` };
  }
}

function problemOf(
  name: string,
  setting: Setting,
  given: string | undefined,
  error: z.ZodError,
): string {
  if (given === undefined) return `${name}: is required. ${setting.doc}`;
  const wanted = error.issues.map((issue) => issue.message).join("; ");
  return `${name}: ${wanted}${setting.secret ? "" : `, but is ${JSON.stringify(given)}`}`;
}

function showValue(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function didYouMean(name: string, names: Iterable<string>): string {
  let best = "";
  let bestDistance = 5;
  for (const known of names) {
    const distance = editDistance(name, known);
    if (distance < bestDistance) [best, bestDistance] = [known, distance];
  }
  return best === "" ? "; --help lists those" : `; did you mean ${best}?`;
}

/** Levenshtein distance of two short texts. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current[column] = Math.min(
        substitution,
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
      );
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

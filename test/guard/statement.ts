import type { Engine, ParameterValue } from "@hybridge/query";

/** A statement as a caller would send it, with where it comes from. */
export interface Statement {
  readonly engine: Engine;
  readonly sql: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  /** Benign ones people write, and the guard should let them through; hostile ones try to do harm. */
  readonly origin: "benign" | "hostile";
}

/** What hostile statements reach for; the watches look at these, among others. */
export interface Targets {
  /** A folder of the machine that holds nothing but what a statement has made. */
  readonly folder: string;
  /** A file of the machine whose content no result may show. */
  readonly secretFile: string;
}

/** What is in the secret file, and in a system property of Hive. */
export const CANARY = "c4n4ry-of-the-guard";
export const CANARY_PROPERTY = "hybridge.canary";

/** Values by the names under which statements use them. */
export function parameterValues({ folder }: Targets): ReadonlyMap<string, ParameterValue> {
  return new Map<string, ParameterValue>([
    ["s1", "en"],
    ["s2", "it's"],
    ["s3", ""],
    ["n1", 3n],
    ["n2", -5n],
    ["n3", -(2n ** 63n)],
    ["f1", 1.5],
    ["f2", Number.NaN],
    ["b1", true],
    ["z1", null],
    ["h1", `touch ${folder}/parameter`],
    ["h2", `x' using 'touch ${folder}/quoted`],
    ["h3", "\\"],
    ["h4", `\${system:${CANARY_PROPERTY}}`],
    ["h5", "'; drop table hybridge.t; --"],
    ["h6", "x`) insert into hybridge.t select"],
    ["h7", "a\\' -- \n"],
  ]);
}

/** A statement with the values of the parameters that its text names. */
export function withParameters(
  statement: Omit<Statement, "parameters">,
  values: ReadonlyMap<string, ParameterValue>,
): Statement {
  const names = statement.sql.matchAll(/(?<![:\w]):([a-z]\d)\b/g);
  const parameters = new Map<string, ParameterValue>();
  for (const [, name = ""] of names) {
    const value = values.get(name);
    if (value !== undefined) parameters.set(name, value);
  }
  return { ...statement, parameters };
}

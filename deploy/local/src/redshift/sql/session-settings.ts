import { unknownHere } from "./refused.ts";
import { SESSION_SETTINGS } from "./allowed-functions.ts";
import { nameOf, quoteName, stringOf, type Token } from "./tokens.ts";
import type { Plan } from "./translate.ts";

/** Of which our functions and PostgreSQL's own come behind the caller's schemas. */
const BEHIND = "redshift_compatibility, pg_catalog";

/** SET and RESET of Redshift's session parameters. @throws SqlRefused naming another one */
export function planOfSetting(words: readonly Token[]): Plan {
  const reset = words[0]?.key === "RESET";
  let at = 1;
  if (!reset && (words[at]?.key === "SESSION" || words[at]?.key === "LOCAL")) at += 1;
  let name = nameOf(words[at]);
  if (words[at]?.key === "TIME" && words[at + 1]?.key === "ZONE") {
    name = "timezone";
    at += 1;
  }
  const known = SESSION_SETTINGS.get(name);
  const assigned = words[at + 1]?.key === "TO" || words[at + 1]?.text === "=";
  const values = words.slice(at + (assigned ? 2 : 1)).filter(({ text }) => text !== ",");
  const [value] = values.map((word) => stringOf(word) ?? nameOf(word));
  const fallback = reset || value === undefined || value === "default";
  if (name === "datestyle" && /^iso(,? ?mdy)?$/i.test(value ?? "iso")) return { kind: "nothing" };
  if (name === "extra_float_digits") {
    const digits = fallback ? "0" : value;
    if (!/^-?\d+$/.test(digits)) throw unknownHere(`the value ${digits} of ${name}`);
    // PostgreSQL's own would cut the numbers of results as well.
    return { kind: "setting", sql: `SET redshift_compatibility.${name} TO '${digits}'` };
  }
  if (known === undefined || known === "nothing") {
    if (known === undefined) throw unknownHere(`the session parameter ${name}`);
    return { kind: "nothing" };
  }
  if (name === "enable_case_sensitive_identifier") {
    return { kind: "case", sensitive: !fallback && /^(on|true|1|yes)$/i.test(value) };
  }
  if (fallback) return { kind: "setting", sql: `RESET ${name}` };
  if (name === "search_path") {
    const schemas = values.flatMap((word) => (stringOf(word) ?? nameOf(word)).split(","));
    const quoted = schemas.map((schema) => quoteName(schema.trim().toLowerCase()));
    return { kind: "setting", sql: `SET search_path TO ${quoted.join(", ")}, ${BEHIND}` };
  }
  if (!/^[\w/+-]+$/.test(value)) throw unknownHere(`the value ${value} of ${name}`);
  return { kind: "setting", sql: `SET ${name} TO '${value}'` };
}

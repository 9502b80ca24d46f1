import { closing, type Token } from "./tokens.ts";
import { SqlRefused } from "./refused.ts";

/**
 * Redshift's MERGE is narrower than PostgreSQL's: exactly one WHEN MATCHED (UPDATE or DELETE) and
 * one WHEN NOT MATCHED (INSERT), no conditions on either, no WITH, no alias for the target.
 * https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html
 *
 * @throws SqlRefused naming the clause
 */
export function checkMerge(words: readonly Token[]): void {
  const keys = outerKeys(words);
  if (keys[1] !== "INTO") throw new SqlRefused('syntax error at or near "MERGE"');
  const using = keys.indexOf("USING");
  if (using < 0) throw new SqlRefused("syntax error: MERGE needs a USING clause");
  const target = keys.slice(2, using).filter((key) => key !== ".");
  const schemaQualified = keys.slice(2, using).includes(".") ? 1 : 0;
  if (target.length > 1 + schemaQualified) {
    throw new SqlRefused("MERGE: the target table cannot have an alias.");
  }
  if (keys.includes("REMOVE")) {
    throw new SqlRefused("MERGE ... REMOVE DUPLICATES is not supported by this endpoint yet.");
  }
  let matched = 0;
  let notMatched = 0;
  keys.forEach((key, index) => {
    if (key !== "WHEN") return;
    const not = keys[index + 1] === "NOT";
    const end = index + (not ? 3 : 2);
    if (keys[end] !== "THEN") {
      throw new SqlRefused(`syntax error at or near "${keys[end] ?? "end of input"}"`);
    }
    if (not) notMatched += 1;
    else matched += 1;
    if (keys[end + 1] === "DO") throw new SqlRefused('syntax error at or near "DO"');
  });
  if (matched !== 1 || notMatched !== 1) {
    throw new SqlRefused(
      "MERGE must have exactly one WHEN MATCHED and exactly one WHEN NOT MATCHED clause.",
    );
  }
}

function outerKeys(words: readonly Token[]): string[] {
  const keys: string[] = [];
  for (let index = 0; index < words.length; index++) {
    if (words[index]?.text === "(") index = closing(words, index);
    else keys.push(words[index]?.key ?? "");
  }
  return keys;
}

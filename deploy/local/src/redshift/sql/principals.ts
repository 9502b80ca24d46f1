import { SqlRefused, unknownHere } from "./refused.ts";
import { nameOf, quoteName, stringOf, type Token } from "./tokens.ts";

/**
 * Users, groups, roles and rights, as PostgreSQL has them. Passwords are checked for being there and
 * forgotten: the endpoint takes whoever DbUser says.
 */
export function principalStatement(words: readonly Token[]): string {
  const [first, second] = words;
  if (first?.key === "CREATE" && second?.key === "USER") return createUser(words);
  if (first?.key === "ALTER" && second?.key === "USER") throw unknownHere("ALTER USER");
  // Redshift says of a role that it is one, PostgreSQL does not.
  const kept = words.filter(
    ({ key }, index) =>
      !(key === "ROLE" && /^(TO|FROM|GRANT|REVOKE|,)$/.test(words[index - 1]?.key ?? "")),
  );
  return kept.map(({ text }) => text).join(" ");
}

function createUser(words: readonly Token[]): string {
  const name = nameOf(words[2]);
  let at = words[3]?.key === "WITH" ? 4 : 3;
  if (words[at]?.key !== "PASSWORD") {
    throw new SqlRefused("CREATE USER needs PASSWORD, which may be DISABLE");
  }
  if (words[at + 1]?.key !== "DISABLE" && stringOf(words[at + 1]) === undefined) {
    throw new SqlRefused(`syntax error at or near "${words[at + 1]?.text ?? "end of input"}"`);
  }
  at += 2;
  let groups = "";
  if (words[at]?.key === "IN" && words[at + 1]?.key === "GROUP") {
    const names = words.slice(at + 2).filter(({ text }) => text !== ",");
    groups = ` IN GROUP ${names.map((word) => quoteName(nameOf(word))).join(", ")}`;
    at = words.length;
  }
  if (at < words.length) throw unknownHere(`${words[at]?.text ?? ""} of CREATE USER`);
  return `CREATE USER ${quoteName(name)}${groups}`;
}

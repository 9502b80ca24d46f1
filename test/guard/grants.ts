import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";

const GRANTS = join(import.meta.dirname, "../../docs/grants.md");

/** What docs/grants.md asks for in hive-site.xml. */
export const authorization: Readonly<Record<string, string>> = {
  "hive.security.authorization.enabled": "true",
  "hive.security.authorization.manager":
    "org.apache.hadoop.hive.ql.security.authorization.plugin.sqlstd.SQLStdHiveAuthorizerFactory",
  "hive.security.authenticator.manager":
    "org.apache.hadoop.hive.ql.security.SessionStateUserAuthenticator",
  "hive.server2.enable.doAs": "false",
  "hive.users.in.admin.role": userInfo().username,
  "hive.security.authorization.sqlstd.confwhitelist.append": "hive\\.local\\.time\\.zone",
};

/** The statements of docs/grants.md for an engine, one each. */
export async function documentedGrants(engine: "Hive" | "Redshift"): Promise<string[]> {
  const text = await readFile(GRANTS, "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith(engine)) ?? "";
  const [, block = ""] = /```sql\n(.*?)```/s.exec(section) ?? [];
  const statements = block.split(";\n").filter((statement) => statement !== "");
  if (statements.length === 0) throw new Error(`${GRANTS} has no statements for ${engine}`);
  return statements;
}

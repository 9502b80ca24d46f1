import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

/** Writes a Hadoop configuration file: `<configuration><property>...`. */
export function writeSite(
  dir: string,
  file: string,
  properties: Readonly<Record<string, string>>,
): void {
  const body = Object.entries(properties)
    .map(
      ([name, value]) =>
        `  <property><name>${name}</name><value>${escape(value)}</value></property>`,
    )
    .join("\n");
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, file),
    `<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n${body}\n</configuration>\n`,
  );
}

/** The user as whom Hadoop and Hive run: HDFS's superuser. */
export function hadoopUser(): string {
  return userInfo().username;
}

export function coreSite(defaultFs: string): Record<string, string> {
  const user = hadoopUser();
  return {
    "fs.defaultFS": defaultFs,
    // Tez asks for it even when HiveServer2 acts as itself.
    [`hadoop.proxyuser.${user}.hosts`]: "*",
    [`hadoop.proxyuser.${user}.groups`]: "*",
    "hadoop.http.staticuser.user": user,
    // A NameNode that is away shall be noticed in seconds, not in minutes.
    "ipc.client.connect.max.retries": "5",
    "ipc.client.connect.timeout": "5000",
  };
}

function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

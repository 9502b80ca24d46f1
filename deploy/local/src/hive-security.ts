import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IssuedCertificate } from "./certificates.ts";
import { runToEnd } from "./component.ts";
import { repositoryRoot } from "./config.ts";
import { javaCommand, javaEnvironment } from "./java.ts";

/** With it HiveServer2 speaks TLS alone, and lets in nobody without a password. */
export interface HiveSecurity {
  /** Signed the certificate; our own probe trusts it. */
  readonly caFile: string;
  readonly certificate: IssuedCertificate;
  /** Passwords by user. */
  readonly users: Readonly<Record<string, string>>;
}

/** The class in deploy/local/java that HiveServer2 asks. */
const CHECK = "hybridge.local.PasswordFile";

export function securedHive({ certificate }: HiveSecurity): Record<string, string> {
  return {
    "hive.server2.authentication": "CUSTOM",
    "hive.server2.custom.authentication.class": CHECK,
    "hive.server2.use.SSL": "true",
    "hive.server2.keystore.path": certificate.storeFile,
    "hive.server2.keystore.type": "PKCS12",
    "hive.server2.keystore.password": certificate.storePassword,
  };
}

/** What the JVM of a secured HiveServer2 needs. */
export interface PasswordCheck {
  /** A folder of classes. */
  readonly classes: string;
  readonly options: readonly string[];
}

/** Writes the file of users down and compiles the class that reads it. */
export async function preparePasswordCheck(
  dir: string,
  { users }: HiveSecurity,
  signal: AbortSignal | undefined,
): Promise<PasswordCheck> {
  const usersFile = join(dir, "conf", "users");
  const lines = Object.entries(users).map(([user, password]) => `${user}:${password}\n`);
  writeFileSync(usersFile, lines.join(""), { mode: 0o600 });
  const classes = join(dir, "classes");
  await compile(dir, classes, signal);
  return { classes, options: [`-Dhybridge.hive.users=${usersFile}`] };
}

/** By the compiler that Hive's jars hold for its web pages: a JRE has none. Its classpath is the JVM's. */
async function compile(
  dir: string,
  classes: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = CHECK.replaceAll(".", "/");
  if (existsSync(join(classes, `${path}.class`))) return;
  mkdirSync(classes, { recursive: true });
  const command = javaCommand({
    name: "compile",
    component: "hive",
    main: "org.eclipse.jdt.internal.compiler.batch.Main",
    args: [
      ...["-1.8", "-proc:none", "-nowarn", "-d", classes],
      join(repositoryRoot, "deploy/local/java", `${path}.java`),
    ],
    heapMb: 128,
    tmpDir: join(dir, "tmp"),
  });
  const limits = { startMs: 60_000, stopMs: 5_000 };
  await runToEnd({ dir, name: "compile", env: javaEnvironment(), ...limits, ...command }, signal);
}

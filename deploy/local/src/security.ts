import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "@hybridge/core";
import { openCertificateAuthority, type IssuedCertificate } from "./certificates.ts";
import type { HiveSecurity } from "./hive-security.ts";

/** Those who log in: the components' own user and the services, each by its own name. */
export const cloudUsers = [
  "admin",
  "ingest",
  "mirror",
  "warehouse-internal",
  "warehouse-external",
  "query-gateway",
] as const;

export type CloudUser = (typeof cloudUsers)[number];

/** What a secured cloud and its services trust and know, all of it made for this folder. */
export interface CloudSecurity {
  /** PEM of the authority that signed every certificate. */
  readonly caFile: string;
  /** The certificate that every server shows; it is good for localhost and 127.0.0.1. */
  readonly certificate: IssuedCertificate;
  /** Files that hold a user's password: settings whose names end with _FILE point to them. */
  readonly passwordFile: (user: CloudUser) => string;
  readonly password: (user: CloudUser) => string;
  /** HYBRIDGE_RPC_TOKENS_FILE of the services, and the one token in it that may control. */
  readonly rpcTokensFile: string;
  readonly rpcTokenFile: string;
}

const FOLDER = "security";

/**
 * Opens what secures the cloud in `dir`, and makes it first when there is none.
 *
 * @throws ConfigError when the folder holds data of a cloud that was not secured: its brokers know
 *   no users
 */
export function openSecurity(dir: string): CloudSecurity {
  const folder = join(dir, FOLDER);
  if (!existsSync(folder) && existsSync(join(dir, "source", "data"))) {
    throw new ConfigError(
      `the data in ${dir} belongs to a cloud that is not secured: choose another folder (--dir), or delete it (--fresh)`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = openCertificateAuthority(folder);
  const passwordFile = (user: CloudUser) => join(folder, `${user}.password`);
  for (const user of cloudUsers) makeOnce(passwordFile(user), randomText);
  const rpcTokenFile = join(folder, "rpc-control.token");
  const rpcTokensFile = join(folder, "rpc.tokens");
  const token = makeOnce(rpcTokenFile, randomText);
  makeOnce(rpcTokensFile, () => `hybridge:control:${token}\ndashboard:read:${randomText()}\n`);
  return {
    caFile: authority.caFile,
    certificate: authority.issue("server"),
    passwordFile,
    password: (user) => readFileSync(passwordFile(user), "utf8"),
    rpcTokensFile,
    rpcTokenFile,
  };
}

/** What secures the cloud in `dir`; undefined for one that is not secured. */
export function securityOf(dir: string): CloudSecurity | undefined {
  return existsSync(join(dir, FOLDER)) ? openSecurity(dir) : undefined;
}

/** The users of HiveServer2, of which the first one is the probe's. */
export function hiveSecurityOf({ caFile, certificate, password }: CloudSecurity): HiveSecurity {
  const names = ["admin", "warehouse-internal", "query-gateway"] as const;
  const users = Object.fromEntries(names.map((name) => [name, password(name)]));
  return { caFile, certificate, users };
}

function makeOnce(file: string, make: () => string): string {
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

function randomText(): string {
  return randomBytes(24).toString("base64url");
}

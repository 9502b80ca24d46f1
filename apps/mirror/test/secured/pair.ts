import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  grantAcls,
  minimalAcls,
  type AclNames,
  type ClusterOptions,
  type KafkaService,
} from "@hybridge/kafka";
import { openSecurity, startKafka, type CloudUser } from "@hybridge/local";
import { within } from "../harness.ts";

export type Side = "source" | "target";

/** Two brokers as `--secure` starts them: TLS, SCRAM, an authorizer, sessions of five seconds. */
export interface SecuredPair extends AsyncDisposable {
  /** How a service reaches a side, and how often it has logged in there by these very options. */
  as(user: CloudUser, side: Side): ClusterOptions & { readonly logins: () => number };
  /** The same as settings of a service. */
  settings(user: CloudUser, side: Side): Readonly<Record<string, string>>;
  /** Grants a service what docs/kafka-acls.md lists for it. */
  grant(service: KafkaService, names: AclNames): Promise<void>;
}

const mechanismOf = (user: CloudUser) =>
  user === "admin" ? ("PLAIN" as const) : ("SCRAM-SHA-512" as const);

/** Starts both brokers. Whoever calls it disposes of it when the tests are over. */
export async function startSecuredPair(name: string): Promise<SecuredPair> {
  const dir = mkdtempSync(join(tmpdir(), `hybridge-${name}-`));
  const security = openSecurity(dir);
  const [source, target] = await Promise.all(
    (["source", "target"] as const).map((side) =>
      startKafka({ dir: join(dir, side), name: side, security }),
    ),
  );
  if (!source || !target) throw new Error("both brokers are started");
  const brokers = { source, target };
  const ca = readFileSync(security.caFile);
  const as = (user: CloudUser, side: Side) => {
    let logins = 0;
    const password = {
      value() {
        logins += 1;
        return security.password(user);
      },
    };
    return {
      bootstrap: brokers[side].addresses.bootstrap,
      clientId: user,
      tls: { ca },
      sasl: { mechanism: mechanismOf(user), username: user, password },
      logins: () => logins,
    };
  };
  return {
    as,
    settings: (user, side) => {
      const prefix = `HYBRIDGE_${side.toUpperCase()}`;
      return {
        [`${prefix}_BOOTSTRAP`]: brokers[side].addresses.bootstrap,
        [`${prefix}_TLS`]: "true",
        [`${prefix}_TLS_CA_FILE`]: security.caFile,
        [`${prefix}_SASL_MECHANISM`]: mechanismOf(user),
        [`${prefix}_SASL_USERNAME`]: user,
        [`${prefix}_SASL_PASSWORD`]: security.password(user),
      };
    },
    async grant(service, names) {
      for (const side of ["source", "target"] as const) {
        const acls = minimalAcls(service, names).filter(({ cluster }) => cluster === side);
        const grants = acls.map((acl) => ({ principal: `User:${service}`, acl }));
        if (grants.length > 0) await grantAcls(as("admin", side), grants, within());
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([source.stop(), target.stop()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

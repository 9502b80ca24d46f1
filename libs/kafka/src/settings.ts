import { readFileSync } from "node:fs";
import { ConfigError, Secret, setting } from "@hybridge/core";
import type { ClusterOptions } from "./api.ts";

/**
 * The settings that say how to reach one cluster, for programs that speak to several:
 * `clusterSettings("HYBRIDGE_SOURCE", "the source cluster")`.
 */
export function clusterSettings<const P extends string>(prefix: P, what: string) {
  return {
    [`${prefix}_BOOTSTRAP`]: {
      schema: setting.bootstrap(),
      doc: `host:port of brokers of ${what}, with commas`,
    },
    [`${prefix}_TLS`]: { schema: setting.flag(false), doc: `use TLS to ${what}` },
    [`${prefix}_TLS_CA_FILE`]: {
      schema: setting.optional(),
      doc: `PEM file with the authorities that ${what} is checked against; default: Node's`,
    },
    [`${prefix}_TLS_CERT_FILE`]: {
      schema: setting.optional(),
      doc: `PEM file with the certificate that is shown to ${what}`,
    },
    [`${prefix}_TLS_KEY_FILE`]: {
      schema: setting.optional(),
      doc: `PEM file with the private key of that certificate`,
    },
    [`${prefix}_SASL_MECHANISM`]: {
      schema: setting.oneOf(["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "none"),
      doc: `how to log in at ${what}`,
    },
    [`${prefix}_SASL_USERNAME`]: { schema: setting.optional(), doc: `user at ${what}` },
    [`${prefix}_SASL_PASSWORD`]: {
      schema: setting.optional(),
      secret: true,
      doc: `password at ${what}`,
    },
  } as {
    readonly [K in `${P}_BOOTSTRAP`]: {
      readonly schema: ReturnType<typeof setting.bootstrap>;
      readonly doc: string;
    };
  } & {
    readonly [K in `${P}_TLS`]: {
      readonly schema: ReturnType<typeof setting.flag>;
      readonly doc: string;
    };
  } & {
    readonly [
      K in
        | `${P}_TLS_CA_FILE`
        | `${P}_TLS_CERT_FILE`
        | `${P}_TLS_KEY_FILE`
        | `${P}_SASL_USERNAME`
        | `${P}_SASL_PASSWORD`
    ]: {
      readonly schema: ReturnType<typeof setting.optional>;
      readonly doc: string;
      readonly secret?: boolean;
    };
  } & {
    readonly [K in `${P}_SASL_MECHANISM`]: {
      readonly schema: ReturnType<typeof setting.text>;
      readonly doc: string;
    };
  };
}

/**
 * What the settings of a prefix say.
 *
 * @throws ConfigError when a file cannot be read or a login is incomplete
 */
export function clusterOptions(
  config: Readonly<Record<string, unknown>>,
  prefix: string,
  clientId: string,
): ClusterOptions {
  const text = (name: string) => config[`${prefix}_${name}`] as string | undefined;
  const mechanism = text("SASL_MECHANISM") as "none" | "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  const username = text("SASL_USERNAME");
  const secret = config[`${prefix}_SASL_PASSWORD`];
  const password = secret instanceof Secret ? secret.value() : undefined;
  if (mechanism !== "none" && (username === undefined || password === undefined)) {
    throw new ConfigError(
      `${prefix}_SASL_MECHANISM is ${mechanism}: ${prefix}_SASL_USERNAME and ${prefix}_SASL_PASSWORD are needed too`,
    );
  }
  const file = (name: string) => {
    const path = text(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new ConfigError(`${prefix}_${name}: ${path} cannot be read`, { cause });
    }
  };
  const tls = { ca: file("TLS_CA_FILE"), cert: file("TLS_CERT_FILE"), key: file("TLS_KEY_FILE") };
  return {
    bootstrap: text("BOOTSTRAP") ?? "",
    clientId,
    ...(config[`${prefix}_TLS`] === true
      ? { tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)) }
      : {}),
    ...(mechanism === "none"
      ? {}
      : { sasl: { mechanism, username: username ?? "", password: password ?? "" } }),
  };
}

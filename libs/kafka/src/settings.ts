import { readFileSync } from "node:fs";
import { ConfigError, Secret, setting, type Settings } from "@hybridge/core";
import type { ClusterOptions } from "./api.ts";

/** The settings of one cluster, by what stands behind the prefix of their names. */
function settingsOf(what: string, bootstrap?: string) {
  return {
    BOOTSTRAP: {
      schema: setting.bootstrap(bootstrap),
      doc: `host:port of brokers of ${what}, with commas`,
    },
    TLS: { schema: setting.flag(false), doc: `use TLS to ${what}` },
    TLS_CA_FILE: {
      schema: setting.optional(),
      doc: `PEM file with the authorities that ${what} is checked against; default: Node's`,
    },
    TLS_CERT_FILE: {
      schema: setting.optional(),
      doc: `PEM file with the certificate that is shown to ${what}`,
    },
    TLS_KEY_FILE: {
      schema: setting.optional(),
      doc: `PEM file with the private key of that certificate`,
    },
    SASL_MECHANISM: {
      schema: setting.oneOf(["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "none"),
      doc: `how to log in at ${what}`,
    },
    SASL_USERNAME: { schema: setting.optional(), doc: `user at ${what}` },
    SASL_PASSWORD: {
      schema: setting.optional(),
      secret: true,
      doc: `password at ${what}`,
    },
  } as const satisfies Settings;
}

/**
 * The settings that say how to reach one cluster: `clusterSettings("HYBRIDGE_SOURCE", "the source
 * cluster")`. Every service takes all of them, so that a secured cluster is reached by all.
 *
 * @param bootstrap the brokers when none are given; without it they have to be
 */
export function clusterSettings<const P extends string>(
  prefix: P,
  what: string,
  bootstrap?: string,
) {
  type Named = ReturnType<typeof settingsOf>;
  const named = Object.entries(settingsOf(what, bootstrap)).map(
    ([name, value]) => [`${prefix}_${name}`, value] as const,
  );
  return Object.fromEntries(named) as {
    readonly [K in keyof Named as `${P}_${K}`]: Named[K];
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

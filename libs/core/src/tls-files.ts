import { createSecureContext } from "node:tls";
import { ConfigError } from "./errors.ts";
import { setting, type Settings } from "./config.ts";
import { textOf, versionOf } from "./secret.ts";

/** PEM texts for a TLS connection; what is absent is Node's own, or not shown. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The settings that name the PEM files of connections to something; `prefix` as HYBRIDGE_HIVE. */
export function tlsFileSettings<const P extends string>(prefix: P, what: string) {
  const named = {
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
  } satisfies Settings;
  return named as {
    readonly [K in "TLS_CA_FILE" | "TLS_CERT_FILE" | "TLS_KEY_FILE" as `${P}_${K}`]: {
      readonly schema: ReturnType<typeof setting.optional>;
      readonly doc: string;
    };
  };
}

/**
 * What the files of a prefix hold, to be asked for at each new connection: they are looked at then,
 * and read again when one of them has changed. While a file cannot be read, or a certificate does
 * not fit its key, the former texts count, so that replacing them one by one is not an outage.
 *
 * @throws ConfigError when they cannot be used at the start
 */
export function tlsFiles(
  config: Readonly<Record<string, unknown>>,
  prefix: string,
): () => TlsMaterial {
  const named = Object.entries({ ca: "CA", cert: "CERT", key: "KEY" }).flatMap(([field, name]) => {
    const path = config[`${prefix}_TLS_${name}_FILE`];
    return typeof path === "string" ? [{ field, name: `${prefix}_TLS_${name}_FILE`, path }] : [];
  });
  const has = (field: string) => named.some((each) => each.field === field);
  if (has("cert") !== has("key")) {
    throw new ConfigError(
      `${prefix}_TLS_CERT_FILE and ${prefix}_TLS_KEY_FILE: both are needed, or neither`,
    );
  }
  let known = "";
  let material: TlsMaterial = {};
  const refresh = () => {
    const version = named.map(({ path }) => versionOf(path)).join();
    if (version === known) return;
    const next = Object.fromEntries(named.map(({ field, path }) => [field, textOf(path)]));
    createSecureContext(next);
    [material, known] = [next, version];
  };
  try {
    refresh();
  } catch (cause) {
    const list = named.map(({ name, path }) => `${name}=${path}`).join(", ");
    throw new ConfigError(`cannot read certificates and key, each a PEM file, from ${list}`, {
      cause,
    });
  }
  return () => {
    try {
      refresh();
    } catch {
      // As the docstring says: the former texts count.
    }
    return material;
  };
}

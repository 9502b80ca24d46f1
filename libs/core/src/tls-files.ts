import { createSecureContext } from "node:tls";
import { ConfigError } from "./errors.ts";
import type { Emit } from "./events.ts";
import { setting, type Settings } from "./config.ts";
import { textOf, versionOf } from "./secret.ts";

/** PEM texts for a TLS connection; what is absent is Node's own, or not shown. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The settings that name the PEM files of connections to something; `prefix` as HYBRIDGE_HIVE. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it names the settings that come back
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
 * @param emit told once per change that cannot be used
 * @throws ConfigError when they cannot be used at the start
 */
export function tlsFiles(
  config: Readonly<Record<string, unknown>>,
  prefix: string,
  emit?: Emit,
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
  const list = named.map(({ name, path }) => `${name}=${path}`).join(", ");
  const read = () => {
    const texts = Object.fromEntries(named.map(({ field, path }) => [field, textOf(path)]));
    createSecureContext(texts);
    return texts as TlsMaterial;
  };
  const look = () => named.map(({ path }) => versionIfAny(path)).join();
  let [seen, material] = [look(), readAtStart(read, list)];
  return () => {
    const version = look();
    if (version === seen) return material;
    seen = version;
    try {
      material = read();
    } catch (error) {
      emit?.({
        name: "tls.files_unusable",
        level: "warn",
        message: `changed certificate files cannot be used, the former ones go on counting: ${list}`,
        error,
      });
    }
    return material;
  };
}

function readAtStart(read: () => TlsMaterial, list: string): TlsMaterial {
  try {
    return read();
  } catch (cause) {
    throw new ConfigError(
      `cannot read certificates and key, each a PEM file, from ${list}; check that they are whole and that the key is the certificate's`,
      { cause },
    );
  }
}

function versionIfAny(path: string): string {
  try {
    return versionOf(path);
  } catch {
    return "none";
  }
}

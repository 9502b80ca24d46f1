import {
  ConfigError,
  setting,
  tlsFiles,
  tlsFileSettings,
  type Config,
  type Emit,
  type Settings,
} from "@hybridge/core";
import { z } from "zod";
import type { HiveAddress, HiveOptions } from "./api.ts";

const TLS = "HYBRIDGE_HIVE";

function name(fallback: string) {
  return z
    .string()
    .regex(/^[A-Za-z_]\w*$/, { error: "must be letters, digits and underscores" })
    .prefault(fallback);
}

const PAIR = /^([A-Za-z][\w.-]*)=(.*)$/s;

/** `name=value,name=value`; a comma that no name follows belongs to the value. */
function pairs() {
  const parts = (text: string) => text.split(/,\s*(?=[A-Za-z][\w.-]*=)/);
  return z
    .string()
    .refine((text) => parts(text).every((part) => PAIR.test(part)), {
      error: "must be name=value, or several of them with commas",
    })
    .transform((text): Readonly<Record<string, string>> => {
      return Object.fromEntries(
        parts(text).map((part) => {
          const [, key = "", value = ""] = PAIR.exec(part) ?? [];
          return [key, value];
        }),
      );
    })
    .optional();
}

/** The settings that say how to reach Hive and where in it the posts are; the same in all services. */
export const hiveSettings = {
  HYBRIDGE_HIVE: {
    schema: setting.bootstrap("127.0.0.1:10000"),
    doc: "host:port of HiveServer2, or several with commas, tried in order when one does not answer",
  },
  HYBRIDGE_HIVE_TRANSPORT: {
    schema: setting.oneOf(["binary", "http"], "binary"),
    doc: "hive.server2.transport.mode of the server",
  },
  HYBRIDGE_HIVE_HTTP_PATH: {
    schema: setting.text("cliservice"),
    doc: "path of Thrift over HTTP, hive.server2.thrift.http.path of the server",
  },
  HYBRIDGE_HIVE_AUTH: {
    schema: setting.oneOf(["PLAIN", "NOSASL"], "PLAIN"),
    doc: "PLAIN where hive.server2.authentication is NONE, LDAP, PAM or CUSTOM; else NOSASL",
  },
  HYBRIDGE_HIVE_USER: {
    schema: setting.text("hybridge"),
    doc: "user that HiveServer2 sees; that of the query gateway needs rights to read only",
  },
  HYBRIDGE_HIVE_PASSWORD: {
    schema: setting.optional(),
    secret: true,
    doc: "password of that user, where HiveServer2 asks for one",
  },
  HYBRIDGE_HIVE_TLS: { schema: setting.flag(false), doc: "use TLS to HiveServer2" },
  ...tlsFileSettings(TLS, "HiveServer2"),
  HYBRIDGE_HIVE_DATABASE: {
    schema: name("hybridge"),
    doc: "Hive database of the posts; names without a database belong to it",
  },
  HYBRIDGE_HIVE_TABLE: { schema: name("tweets"), doc: "Hive table of the posts in that database" },
  HYBRIDGE_HIVE_SETTINGS: {
    schema: pairs(),
    doc: "settings of every session, name=value with commas, such as tez.queue.name=etl",
  },
} as const satisfies Settings;

/**
 * What the settings say. The database is not among it: whoever makes it must not begin in it.
 *
 * @throws ConfigError when they contradict each other or a file cannot be used
 */
export function hiveOptions(config: Config<typeof hiveSettings>, emit: Emit): HiveOptions {
  const [first, ...others] = config.HYBRIDGE_HIVE.split(",").map(addressOf);
  if (!first) throw new ConfigError("HYBRIDGE_HIVE is empty");
  const { HYBRIDGE_HIVE_PASSWORD: password, HYBRIDGE_HIVE_SETTINGS: settings } = config;
  if (config.HYBRIDGE_HIVE_AUTH === "NOSASL" && password !== undefined) {
    throw new ConfigError(
      "HYBRIDGE_HIVE_AUTH is NOSASL, which has no password: set it to PLAIN, or leave out HYBRIDGE_HIVE_PASSWORD",
    );
  }
  return {
    ...first,
    ...(others.length === 0 ? {} : { others }),
    transport: config.HYBRIDGE_HIVE_TRANSPORT,
    httpPath: config.HYBRIDGE_HIVE_HTTP_PATH,
    auth: config.HYBRIDGE_HIVE_AUTH === "NOSASL" ? "nosasl" : "plain",
    user: config.HYBRIDGE_HIVE_USER,
    ...(password === undefined ? {} : { password }),
    ...tlsOf(config, emit),
    ...(settings === undefined ? {} : { settings }),
    emit,
  };
}

function tlsOf(config: Config<typeof hiveSettings>, emit: Emit): Pick<HiveOptions, "tls"> {
  if (config.HYBRIDGE_HIVE_TLS) return { tls: tlsFiles(config, TLS, emit) };
  for (const file of ["CA", "CERT", "KEY"] as const) {
    if (config[`HYBRIDGE_HIVE_TLS_${file}_FILE`] === undefined) continue;
    throw new ConfigError(
      `HYBRIDGE_HIVE_TLS_${file}_FILE is given and HYBRIDGE_HIVE_TLS is false: set that to true`,
    );
  }
  return {};
}

/** The setting's schema has checked its form. */
function addressOf(text: string): HiveAddress {
  const colon = text.lastIndexOf(":");
  const host = text
    .slice(0, colon)
    .trim()
    .replace(/^\[|\]$/g, "");
  return { host, port: Number(text.slice(colon + 1)) };
}

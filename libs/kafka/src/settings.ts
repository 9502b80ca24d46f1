import {
  ConfigError,
  setting,
  tlsFiles,
  tlsFileSettings,
  type Emit,
  type Secret,
  type Settings,
} from "@hybridge/core";
import { z } from "zod";
import type { ClusterOptions, SaslOptions } from "./api.ts";
import { signForMsk } from "./msk.ts";
import { cachedToken, fetchByClientCredentials } from "./oauth.ts";

const mechanisms = [
  "none",
  "PLAIN",
  "SCRAM-SHA-256",
  "SCRAM-SHA-512",
  "OAUTHBEARER",
  "AWS_MSK_IAM",
] as const;

/** The settings of one cluster, by what stands behind the prefix of their names. */
function settingsOf(what: string, bootstrap?: string) {
  return {
    BOOTSTRAP: {
      schema: setting.bootstrap(bootstrap),
      doc: `host:port of brokers of ${what}, with commas`,
    },
    TLS: { schema: setting.flag(false), doc: `use TLS to ${what}` },
    SASL_MECHANISM: {
      schema: setting.oneOf(mechanisms, "none"),
      doc: `how to log in at ${what}; AWS_MSK_IAM signs with the AWS credentials of the process`,
    },
    SASL_USERNAME: { schema: setting.optional(), doc: `user at ${what}` },
    SASL_PASSWORD: {
      schema: setting.optional(),
      secret: true,
      doc: `password at ${what}`,
    },
    SASL_OAUTH_TOKEN_URL: {
      schema: setting
        .url()
        .refine(isSafe, {
          error: "must be https://, except on this machine: the secret goes there",
        })
        .optional(),
      doc: `where OAUTHBEARER gets its tokens for ${what}, by the client credentials grant`,
    },
    SASL_OAUTH_CLIENT_ID: { schema: setting.optional(), doc: `client id at the token server` },
    SASL_OAUTH_CLIENT_SECRET: {
      schema: setting.optional(),
      secret: true,
      doc: `client secret at the token server`,
    },
    SASL_OAUTH_SCOPE: { schema: setting.optional(), doc: `scope that is asked for` },
    SASL_OAUTH_EXTENSIONS: {
      schema: z
        .string()
        .regex(/^[A-Za-z]+=[^,=]+(,[A-Za-z]+=[^,=]+)*$/, {
          error: "must be name=value, or several of them with commas; names are letters",
        })
        .optional(),
      doc: `SASL extensions that ${what} wants beside the token, such as logicalCluster=lkc-1`,
    },
    SASL_OAUTH_TLS_CA_FILE: {
      schema: setting.optional(),
      doc: `PEM file with the authorities that the token server is checked against`,
    },
    SASL_AWS_REGION: { schema: setting.optional(), doc: `region of MSK, for AWS_MSK_IAM` },
    CLIENT_RACK: {
      schema: setting.optional(),
      doc: `rack or zone of this process: what is read comes from a replica there, if ${what} selects replicas by rack`,
    },
  } as const satisfies Settings;
}

/**
 * The settings that say how to reach one cluster: `clusterSettings("HYBRIDGE_SOURCE", "the source
 * cluster")`. Every service takes all of them, so that a secured cluster is reached by all.
 *
 * @param bootstrap the brokers when none are given; without it they have to be
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it names the settings that come back
export function clusterSettings<const P extends string>(
  prefix: P,
  what: string,
  bootstrap?: string,
) {
  type Named = ReturnType<typeof settingsOf>;
  const named = Object.entries(settingsOf(what, bootstrap)).map(
    ([name, value]) => [`${prefix}_${name}`, value] as const,
  );
  return { ...Object.fromEntries(named), ...tlsFileSettings(prefix, what) } as {
    readonly [K in keyof Named as `${P}_${K}`]: Named[K];
  } & ReturnType<typeof tlsFileSettings<P>>;
}

/**
 * What the settings of a prefix say.
 *
 * @param emit told when changed certificates cannot be used
 * @throws ConfigError when a file cannot be read or a login is incomplete
 */
export function clusterOptions(
  config: Readonly<Record<string, unknown>>,
  prefix: string,
  clientId: string,
  emit?: Emit,
): ClusterOptions {
  const given: Given = {
    text: (name) => config[`${prefix}_${name}`] as string | undefined,
    secret: (name) => config[`${prefix}_${name}`] as Secret | undefined,
    nameOf: (name) => `${prefix}_${name}`,
  };
  const sasl = saslOptions(given);
  const rack = given.text("CLIENT_RACK");
  return {
    bootstrap: given.text("BOOTSTRAP") ?? "",
    clientId,
    ...(config[`${prefix}_TLS`] === true && {
      tls: tlsFiles(config, prefix, emit),
    }),
    ...(sasl && { sasl }),
    ...(rack !== undefined && { rack }),
  };
}

interface Given {
  text(name: string): string | undefined;
  secret(name: string): Secret | undefined;
  nameOf(name: string): string;
}

function saslOptions(given: Given): SaslOptions | undefined {
  const mechanism = given.text("SASL_MECHANISM") as (typeof mechanisms)[number];
  const need = <T>(name: string, value: T | undefined): T => {
    if (value !== undefined) return value;
    throw new ConfigError(
      `${given.nameOf("SASL_MECHANISM")} is ${mechanism}: ${given.nameOf(name)} is needed too`,
    );
  };
  const text = (name: string) => need(name, given.text(name));
  const secret = (name: string) => need(name, given.secret(name));
  if (mechanism === "none") return undefined;
  if (mechanism === "AWS_MSK_IAM") {
    const region = text("SASL_AWS_REGION");
    return { mechanism: "OAUTHBEARER", token: cachedToken(() => signForMsk(region)) };
  }
  if (mechanism !== "OAUTHBEARER") {
    return { mechanism, username: text("SASL_USERNAME"), password: secret("SASL_PASSWORD") };
  }
  const credentials = {
    url: text("SASL_OAUTH_TOKEN_URL"),
    clientId: text("SASL_OAUTH_CLIENT_ID"),
    secret: secret("SASL_OAUTH_CLIENT_SECRET"),
    scope: given.text("SASL_OAUTH_SCOPE"),
    caFile: given.text("SASL_OAUTH_TLS_CA_FILE"),
  };
  const pairs = (given.text("SASL_OAUTH_EXTENSIONS") ?? "").split(",").filter(Boolean);
  return {
    mechanism,
    token: cachedToken((signal) => fetchByClientCredentials(credentials, signal)),
    extensions: Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string])),
  };
}

function isSafe(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

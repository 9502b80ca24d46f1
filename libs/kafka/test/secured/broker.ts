import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { readConfig } from "@hybridge/core";
import {
  cacheDir,
  isFree,
  openSecurity,
  startKafka,
  type CloudSecurity,
  type CloudUser,
} from "@hybridge/local";
import { clusterOptions, clusterSettings, type ClusterOptions } from "../../src/index.ts";
import { startTokenServer, type TokenServer } from "./token-server.ts";

const run = promisify(execFile);

export type Listener = "password" | "token" | "certificate";
export type ScramMechanism = "SCRAM-SHA-256" | "SCRAM-SHA-512";

/**
 * A broker as `--secure` starts it (TLS, SCRAM, an authorizer, sessions of five seconds), with a
 * listener each for tokens and for client certificates besides. `admin`, `mirror` and whoever comes
 * with a token may do everything; the others have no right by themselves.
 */
export interface SecuredBroker extends AsyncDisposable {
  readonly dir: string;
  readonly security: CloudSecurity;
  readonly tokens: TokenServer;
  readonly addresses: Readonly<Record<Listener, string>>;
  /** How a user logs in by its password. */
  readonly as: (user: CloudUser) => ClusterOptions;
  /** What a service makes of its settings, once, when it starts; TLS and the authority are set. */
  readonly configured: (
    listener: Listener,
    env: Readonly<Record<string, string>>,
  ) => ClusterOptions;
  /** Gives a user a password at the broker, in place of the one for this mechanism. */
  readonly setPassword: (
    user: CloudUser,
    mechanism: ScramMechanism,
    password: string,
  ) => Promise<void>;
}

export const within = () => AbortSignal.timeout(90_000);

/** Starts it. Whoever calls it disposes of it when the tests are over. */
export async function startSecuredBroker(): Promise<SecuredBroker> {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-kafka-secured-"));
  const security = openSecurity(dir);
  const tokens = await startTokenServer("service", "first-secret", {
    subject: "token-user",
    audience: "kafka",
    lifeSeconds: 4,
  });
  const ports = { broker: await freePort(), controller: await freePort() };
  const addresses: SecuredBroker["addresses"] = {
    password: `127.0.0.1:${ports.broker}`,
    token: `127.0.0.1:${await freePort()}`,
    certificate: `127.0.0.1:${await freePort()}`,
  };
  const kafka = await startKafka({
    dir: join(dir, "kafka"),
    security,
    ports,
    // Since Kafka 4.0 a broker fetches keys from nowhere else.
    jvm: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.keysUrl}`],
    settings: brokerSettings(addresses, `127.0.0.1:${ports.controller}`, tokens),
  });
  const as = (user: CloudUser): ClusterOptions => ({
    bootstrap: addresses.password,
    clientId: user,
    tls: { ca: readFileSync(security.caFile) },
    sasl: {
      mechanism: user === "admin" ? "PLAIN" : "SCRAM-SHA-512",
      username: user,
      password: security.password(user),
    },
  });
  return {
    ...{ dir, security, tokens, addresses, as },
    configured(listener, env) {
      const settings = clusterSettings("HYBRIDGE_SOURCE", "the source cluster");
      const named = Object.entries(env).map(([name, value]) => [`HYBRIDGE_SOURCE_${name}`, value]);
      const config = readConfig(settings, {
        HYBRIDGE_SOURCE_BOOTSTRAP: addresses[listener],
        HYBRIDGE_SOURCE_TLS: "true",
        HYBRIDGE_SOURCE_TLS_CA_FILE: security.caFile,
        ...(Object.fromEntries(named) as Record<string, string>),
      });
      return clusterOptions(config, "HYBRIDGE_SOURCE", "it");
    },
    async setPassword(user, mechanism, password) {
      await run("java", [
        ...["-Xmx128m", "-cp", join(cacheDir(), "components/kafka/*")],
        ...["kafka.admin.ConfigCommand", "--bootstrap-server", addresses.password],
        ...["--command-config", adminProperties(dir, security), "--alter"],
        ...["--add-config", `${mechanism}=[password=${password}]`],
        ...["--entity-type", "users", "--entity-name", user],
      ]);
    },
    async [Symbol.asyncDispose]() {
      await kafka.stop();
      await tokens[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function brokerSettings(
  { password, token, certificate }: SecuredBroker["addresses"],
  controller: string,
  { keysUrl }: TokenServer,
): Record<string, string> {
  const listeners = `SASL_SSL://${password},TOKEN://${token},CERTIFICATE://${certificate}`;
  const oauth = "org.apache.kafka.common.security.oauthbearer";
  const byPassword = "listener.name.sasl_ssl";
  const byToken = "listener.name.token";
  return {
    listeners: `${listeners},CONTROLLER://${controller}`,
    "advertised.listeners": listeners,
    "listener.security.protocol.map":
      "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL,TOKEN:SASL_SSL,CERTIFICATE:SSL",
    "super.users": "User:admin;User:mirror;User:token-user",
    [`${byPassword}.sasl.enabled.mechanisms`]: "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
    [`${byPassword}.scram-sha-256.sasl.jaas.config`]:
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    [`${byToken}.sasl.enabled.mechanisms`]: "OAUTHBEARER",
    [`${byToken}.oauthbearer.sasl.jaas.config`]: `${oauth}.OAuthBearerLoginModule required;`,
    [`${byToken}.oauthbearer.sasl.server.callback.handler.class`]: `${oauth}.OAuthBearerValidatorCallbackHandler`,
    [`${byToken}.sasl.oauthbearer.jwks.endpoint.url`]: keysUrl,
    [`${byToken}.sasl.oauthbearer.expected.audience`]: "kafka",
    "listener.name.certificate.ssl.client.auth": "required",
  };
}

/** How Kafka's own tools log in. */
function adminProperties(dir: string, security: CloudSecurity): string {
  const file = join(dir, "admin.properties");
  const login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  const lines = [
    "security.protocol=SASL_SSL",
    "sasl.mechanism=PLAIN",
    `sasl.jaas.config=${login} username="admin" password="${security.password("admin")}";`,
    "ssl.truststore.type=PEM",
    `ssl.truststore.location=${security.caFile}`,
  ];
  writeFileSync(file, lines.join("\n"), { mode: 0o600 });
  return file;
}

/** A port below the range of outgoing connections, so that none of them can take it meanwhile. */
async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  return (await isFree(port)) ? port : await freePort();
}

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { readConfig } from "@hybridge/core";
import {
  cacheDir,
  isFree,
  openCertificateAuthority,
  openSecurity,
  startKafka,
  type Kafka,
} from "@hybridge/local";
import {
  clusterOptions,
  clusterSettings,
  ensureTopic,
  grantAcls,
  openFencedWriter,
  partitionCount,
  type ClusterOptions,
} from "../src/index.ts";
import { startTokenServer } from "./token-server.ts";

const run = promisify(execFile);
const within = () => AbortSignal.timeout(90_000);
const dir = mkdtempSync(join(tmpdir(), "hybridge-kafka-credentials-"));
const security = openSecurity(dir);
const at = (name: string) => join(dir, name);
/** As `--secure` sets it: a login lasts this long. */
const SESSION_MS = 5_000;
const tokens = await startTokenServer("service", "first-secret", {
  subject: "token-user",
  audience: "kafka",
  lifeSeconds: 4,
});

let kafka: Kafka | undefined;
let ports: { readonly broker: number; readonly token: number; readonly mutual: number };

/** Ports below the range of outgoing connections, so that none of them can take one meanwhile. */
async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  return (await isFree(port)) ? port : await freePort();
}

before(async () => {
  ports = { broker: await freePort(), token: await freePort(), mutual: await freePort() };
  const controller = await freePort();
  const listeners = [
    `SASL_SSL://127.0.0.1:${ports.broker}`,
    `TOKEN://127.0.0.1:${ports.token}`,
    `MUTUAL://127.0.0.1:${ports.mutual}`,
  ].join(",");
  const token = "listener.name.token";
  const packageName = "org.apache.kafka.common.security.oauthbearer";
  kafka = await startKafka({
    dir: at("kafka"),
    security,
    ports: { broker: ports.broker, controller },
    // Since Kafka 4.0 a broker fetches keys from nowhere else.
    jvm: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.keysUrl}`],
    settings: {
      listeners: `${listeners},CONTROLLER://127.0.0.1:${controller}`,
      "advertised.listeners": listeners,
      "listener.security.protocol.map":
        "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL,TOKEN:SASL_SSL,MUTUAL:SSL",
      "listener.name.mutual.ssl.client.auth": "required",
      [`${token}.sasl.enabled.mechanisms`]: "OAUTHBEARER",
      [`${token}.oauthbearer.sasl.jaas.config`]: `${packageName}.OAuthBearerLoginModule required;`,
      [`${token}.oauthbearer.sasl.server.callback.handler.class`]: `${packageName}.OAuthBearerValidatorCallbackHandler`,
      [`${token}.sasl.oauthbearer.jwks.endpoint.url`]: tokens.keysUrl,
      [`${token}.sasl.oauthbearer.expected.audience`]: "kafka",
      "super.users": "User:admin;User:ingest;User:token-user",
    },
  });
});

after(async () => {
  await kafka?.stop();
  await tokens[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** What a service makes of its settings, once, when it starts. */
function configured(port: number, env: Readonly<Record<string, string>>): ClusterOptions {
  const settings = clusterSettings("HYBRIDGE_SOURCE", "the source cluster");
  const named = Object.entries(env).map(([name, value]) => [`HYBRIDGE_SOURCE_${name}`, value]);
  const config = readConfig(settings, {
    HYBRIDGE_SOURCE_BOOTSTRAP: `127.0.0.1:${port}`,
    HYBRIDGE_SOURCE_TLS: "true",
    HYBRIDGE_SOURCE_TLS_CA_FILE: security.caFile,
    ...(Object.fromEntries(named) as Record<string, string>),
  });
  return clusterOptions(config, "HYBRIDGE_SOURCE", "it");
}

function admin(): ClusterOptions {
  const password = security.password("admin");
  const sasl = { mechanism: "PLAIN", username: "admin", password } as const;
  return { ...configured(ports.broker, {}), sasl };
}

/** Appends by one writer, one record after the other, until enough has happened. */
async function appendUntil(cluster: ClusterOptions, topic: string, isEnough: () => boolean) {
  const signal = within();
  await ensureTopic(cluster, { topic, partitions: 1 }, signal);
  const id = { topic, transactionalId: topic, partitions: [0] };
  await using writer = await openFencedWriter({ cluster, ...id, signal });
  const record = { key: null, value: Buffer.alloc(100), headers: [], timestampMs: 1 };
  while (!isEnough()) await writer.append(0, [record]);
}

test("by OAUTHBEARER a writer works on while its tokens end, and while the client's secret changes", async () => {
  writeFileSync(at("client.secret"), "first-secret");
  const cluster = configured(ports.token, {
    SASL_MECHANISM: "OAUTHBEARER",
    SASL_OAUTH_TOKEN_URL: tokens.tokenUrl,
    SASL_OAUTH_CLIENT_ID: "service",
    SASL_OAUTH_CLIENT_SECRET_FILE: at("client.secret"),
  });
  let isChanged = false;
  await appendUntil(cluster, "by-token", () => {
    if (tokens.given() >= 3 && !isChanged) {
      tokens.secret = "second-secret";
      writeFileSync(at("client.secret"), "second-secret");
      isChanged = true;
    }
    return tokens.given() >= 5;
  });
  const wrong = configured(ports.token, {
    SASL_MECHANISM: "OAUTHBEARER",
    SASL_OAUTH_TOKEN_URL: tokens.tokenUrl,
    SASL_OAUTH_CLIENT_ID: "service",
    SASL_OAUTH_CLIENT_SECRET: "first-secret",
  });
  const refused = { code: "KAFKA_OAUTH_TOKEN", message: /invalid_client/ };
  await assert.rejects(partitionCount(wrong, "by-token", within()), refused);
});

test("a token that the broker does not take is told with what to check", async () => {
  const claims = { subject: "token-user", audience: "kafka", lifeSeconds: 60 };
  await using stranger = await startTokenServer("service", "s", claims);
  const cluster = configured(ports.token, {
    SASL_MECHANISM: "OAUTHBEARER",
    SASL_OAUTH_TOKEN_URL: stranger.tokenUrl,
    SASL_OAUTH_CLIENT_ID: "service",
    SASL_OAUTH_CLIENT_SECRET: "s",
  });
  const refused = { code: "KAFKA_AUTHENTICATION", message: /issuer, audience/ };
  await assert.rejects(partitionCount(cluster, "by-token", within()), refused);
});

test("a password that changes at the broker and in its file is taken without a restart", async () => {
  const file = at("ingest.changing");
  copyFileSync(security.passwordFile("ingest"), file);
  const env = { SASL_MECHANISM: "SCRAM-SHA-512", SASL_USERNAME: "ingest" };
  const cluster = configured(ports.broker, { ...env, SASL_PASSWORD_FILE: file });
  let changed: Promise<unknown> | undefined;
  let untilMs = Infinity;
  await appendUntil(cluster, "by-password", () => {
    changed ??= changePassword("ingest", "another-password").then(() => {
      writeFileSync(file, "another-password");
      // Every login of before has ended by then.
      untilMs = performance.now() + 1.5 * SESSION_MS;
    });
    return performance.now() > untilMs;
  });
  await changed;
  const former = { ...env, SASL_PASSWORD: security.password("ingest") };
  const refused = { code: "KAFKA_AUTHENTICATION" };
  await assert.rejects(partitionCount(configured(ports.broker, former), "x", within()), refused);
});

async function changePassword(user: string, password: string): Promise<void> {
  const file = at("admin.properties");
  const jaas = `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${security.password("admin")}";`;
  writeFileSync(
    file,
    [
      "security.protocol=SASL_SSL",
      "sasl.mechanism=PLAIN",
      `sasl.jaas.config=${jaas}`,
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${security.caFile}`,
    ].join("\n"),
    { mode: 0o600 },
  );
  await run("java", [
    ...["-Xmx128m", "-cp", join(cacheDir(), "components/kafka/*"), "kafka.admin.ConfigCommand"],
    ...["--bootstrap-server", `127.0.0.1:${ports.broker}`, "--command-config", file, "--alter"],
    ...["--add-config", `SCRAM-SHA-512=[password=${password}]`],
    ...["--entity-type", "users", "--entity-name", user],
  ]);
}

test("a renewed client certificate is shown at the next connection, without a restart", async () => {
  const topic = "by-certificate";
  await ensureTopic(admin(), { topic, partitions: 1 }, within());
  const right = { resource: "Topic", name: topic, pattern: "literal", operation: "Read" } as const;
  await grantAcls(admin(), [{ principal: "User:CN=second", acl: right }], within());
  const authority = openCertificateAuthority(at("security"));
  const [cert, key] = [at("client.pem"), at("client.key")];
  const show = (name: string) => {
    const issued = authority.issue(name);
    copyFileSync(issued.certFile, cert);
    copyFileSync(issued.keyFile, key);
  };
  show("first");
  const cluster = configured(ports.mutual, { TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
  // The broker sees who it is, and this one has no right.
  const refused = { code: "KAFKA_NOT_AUTHORIZED" };
  await assert.rejects(partitionCount(cluster, topic, within()), refused);
  show("second");
  assert.equal(await partitionCount(cluster, topic, within()), 1);
  const soon = AbortSignal.timeout(3_000);
  await assert.rejects(partitionCount(configured(ports.mutual, {}), topic, soon));
});

import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openCertificateAuthority } from "@hybridge/local";
import {
  ensureTopic,
  grantAcls,
  openFencedWriter,
  partitionCount,
  type ClusterOptions,
} from "../../src/index.ts";
import { within, type SecuredBroker } from "./broker.ts";
import { startTokenServer } from "./token-server.ts";

/** As `--secure` sets it: a login lasts this long. */
const SESSION_MS = 5_000;

/** Appends by one writer, one record after the other, until enough has happened. */
async function appendUntil(cluster: ClusterOptions, topic: string, isEnough: () => boolean) {
  const signal = within();
  await ensureTopic(cluster, { topic, partitions: 1 }, signal);
  const id = { topic, transactionalId: topic, partitions: [0] };
  await using writer = await openFencedWriter({ cluster, ...id, signal });
  const record = { key: null, value: Buffer.alloc(100), headers: [], timestampMs: 1 };
  while (!isEnough()) await writer.append(0, [record]);
}

/** Goes last: it changes the password of `mirror`. */
export function testCredentials(broker: SecuredBroker): void {
  const { as, configured, security, setPassword, tokens } = broker;
  const at = (name: string) => join(broker.dir, name);

  test("by OAUTHBEARER a writer works on while its tokens end, and while the client's secret changes", async () => {
    writeFileSync(at("client.secret"), tokens.secret);
    const cluster = configured("token", {
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
    const wrong = configured("token", {
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
    const cluster = configured("token", {
      SASL_MECHANISM: "OAUTHBEARER",
      SASL_OAUTH_TOKEN_URL: stranger.tokenUrl,
      SASL_OAUTH_CLIENT_ID: "service",
      SASL_OAUTH_CLIENT_SECRET: "s",
    });
    const refused = { code: "KAFKA_AUTHENTICATION", message: /issuer, audience/ };
    await assert.rejects(partitionCount(cluster, "by-token", within()), refused);
  });

  test("a password that changes at the broker and in its file is taken without a restart", async () => {
    const file = at("mirror.changing");
    copyFileSync(security.passwordFile("mirror"), file);
    const env = { SASL_MECHANISM: "SCRAM-SHA-512", SASL_USERNAME: "mirror" };
    const cluster = configured("password", { ...env, SASL_PASSWORD_FILE: file });
    let changed: Promise<unknown> | undefined;
    let untilMs = Infinity;
    await appendUntil(cluster, "by-password", () => {
      changed ??= setPassword("mirror", "SCRAM-SHA-512", "another-password").then(() => {
        writeFileSync(file, "another-password");
        // Every login of before has ended by then.
        untilMs = performance.now() + 1.5 * SESSION_MS;
      });
      return performance.now() > untilMs;
    });
    await changed;
    const former = { ...env, SASL_PASSWORD: security.password("mirror") };
    const refused = { code: "KAFKA_AUTHENTICATION" };
    await assert.rejects(partitionCount(configured("password", former), "x", within()), refused);
  });

  test("a renewed client certificate is shown at the next connection, without a restart", async () => {
    const topic = "by-certificate";
    await ensureTopic(as("admin"), { topic, partitions: 1 }, within());
    const right = {
      resource: "Topic",
      name: topic,
      pattern: "literal",
      operation: "Read",
    } as const;
    await grantAcls(as("admin"), [{ principal: "User:CN=second", acl: right }], within());
    const authority = openCertificateAuthority(at("security"));
    const [cert, key] = [at("client.pem"), at("client.key")];
    const show = (name: string) => {
      const issued = authority.issue(name);
      copyFileSync(issued.certFile, cert);
      copyFileSync(issued.keyFile, key);
    };
    show("first");
    const cluster = configured("certificate", { TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
    // The broker sees who it is, and this one has no right.
    const refused = { code: "KAFKA_NOT_AUTHORIZED" };
    await assert.rejects(partitionCount(cluster, topic, within()), refused);
    show("second");
    assert.equal(await partitionCount(cluster, topic, within()), 1);
    const soon = AbortSignal.timeout(3_000);
    await assert.rejects(partitionCount(configured("certificate", {}), topic, soon));
  });
}

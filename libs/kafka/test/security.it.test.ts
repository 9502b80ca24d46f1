import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { cacheDir, startKafka, type Kafka } from "@hybridge/local";
import {
  countRecords,
  ensureTopic,
  openFencedWriter,
  openReader,
  partitionCount,
  type ClusterOptions,
} from "../src/index.ts";

const run = promisify(execFile);
const PASSWORD = "only-for-this-test";
const REAUTHENTICATE_MS = 2_000;
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

let dir: string;
let kafka: Kafka;
let ca: Buffer;
let secure: string;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "hybridge-kafka-security-"));
  const store = join(dir, "broker.p12");
  const key = ["-keystore", store, "-storetype", "PKCS12", "-storepass", PASSWORD];
  await run("keytool", [
    ...["-genkeypair", "-alias", "broker", "-keyalg", "EC", "-dname", "CN=localhost"],
    ...["-ext", "SAN=dns:localhost,ip:127.0.0.1", "-validity", "2", ...key],
  ]);
  await run("keytool", [
    "-exportcert",
    "-rfc",
    "-alias",
    "broker",
    "-file",
    `${dir}/ca.pem`,
    ...key,
  ]);
  ca = readFileSync(join(dir, "ca.pem"));
  const [broker, controller, tls] = await freePorts(3);
  secure = `localhost:${tls}`;
  const listener = "listener.name.secure";
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  kafka = await startKafka({
    dir: join(dir, "kafka"),
    ports: { broker: broker ?? 0, controller: controller ?? 0 },
    settings: {
      listeners: `PLAINTEXT://127.0.0.1:${broker},SECURE://127.0.0.1:${tls},CONTROLLER://127.0.0.1:${controller}`,
      "advertised.listeners": `PLAINTEXT://127.0.0.1:${broker},SECURE://localhost:${tls}`,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
      "ssl.keystore.location": store,
      "ssl.keystore.password": PASSWORD,
      "ssl.keystore.type": "PKCS12",
      "connections.max.reauth.ms": String(REAUTHENTICATE_MS),
      [`${listener}.sasl.enabled.mechanisms`]: MECHANISMS.join(","),
      [`${listener}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="${PASSWORD}";`,
      [`${listener}.scram-sha-256.sasl.jaas.config`]: scram,
      [`${listener}.scram-sha-512.sasl.jaas.config`]: scram,
    },
  });
  // One at a time: the broker refuses two credentials of a user in one request.
  for (const mechanism of MECHANISMS.slice(1)) {
    await run("java", [
      ...["-Xmx128m", "-cp", join(cacheDir(), "components/kafka/*"), "kafka.admin.ConfigCommand"],
      ...["--bootstrap-server", kafka.addresses.bootstrap, "--alter", "--add-config"],
      ...[`${mechanism}=[password=${PASSWORD}]`, "--entity-type", "users", "--entity-name", "ann"],
    ]);
  }
});

after(async () => {
  await kafka.stop();
  rmSync(dir, { recursive: true, force: true });
});

const within = () => AbortSignal.timeout(60_000);

for (const mechanism of MECHANISMS) {
  test(`records go over TLS after a login with ${mechanism}`, async () => {
    const cluster: ClusterOptions = {
      bootstrap: secure,
      clientId: "it",
      tls: { ca },
      sasl: { mechanism, username: "ann", password: PASSWORD },
    };
    const topic = `secure-${mechanism}`;
    await ensureTopic(cluster, { topic, partitions: 1 }, within());
    const transactionalId = `w-${mechanism}`;
    const options = { cluster, transactionalId, topic, partitions: [0], signal: within() };
    await using writer = await openFencedWriter(options);
    const record = { key: null, value: Buffer.alloc(200_000, "v"), headers: [], timestampMs: 1 };
    await writer.append(0, [record, record]);
    assert.equal(await countRecords(cluster, topic, within()), 2n);

    const wrong = { ...cluster, sasl: { mechanism, username: "ann", password: "other" } };
    await assert.rejects(partitionCount(wrong, topic, within()), { code: "KAFKA_AUTHENTICATION" });
  });
}

test("under full load logins are renewed every two seconds, and nothing fails or starts anew", async () => {
  const cluster: ClusterOptions = {
    bootstrap: secure,
    clientId: "it",
    tls: { ca },
    sasl: { mechanism: "SCRAM-SHA-512", username: "ann", password: PASSWORD },
  };
  const topic = "renewed";
  const partitions = [0, 1, 2];
  const signal = within();
  await ensureTopic(cluster, { topic, partitions: partitions.length }, signal);
  await using writer = await openFencedWriter({
    cluster,
    transactionalId: topic,
    topic,
    partitions,
    signal,
  });
  const until = performance.now() + 4 * REAUTHENTICATE_MS;
  const written = [0, 0, 0];
  const record = { key: null, value: Buffer.alloc(20_000, "v"), headers: [], timestampMs: 1 };
  const produce = async (partition: number) => {
    for (let count = 1; performance.now() < until; count++) {
      await writer.append(partition, [record, record]);
      written[partition] = 2 * count;
    }
    await writer.append(partition, [{ ...record, key: Buffer.from("last") }]);
  };
  const read = async (partition: number) => {
    let count = 0;
    const positions = new Map([[partition, 0n]]);
    for await (const { records } of openReader({ cluster, topic, positions, signal })) {
      if (records.at(-1)?.key?.toString() === "last") return count + records.length - 1;
      count += records.length;
    }
    return count;
  };
  const produced = Promise.all(partitions.map(produce));
  const counts = await Promise.all(partitions.map(read));
  await produced;
  assert.deepEqual(counts, written);
  assert.ok(
    written.every((count) => count > 100),
    String(written),
  );
});

test("a listener that wants TLS is named as the likely cause, and a stranger's certificate refused", async () => {
  const soon = () => AbortSignal.timeout(3_000);
  const plain = { bootstrap: secure, clientId: "it" };
  await assert.rejects(partitionCount(plain, "x", soon()));
  const stranger = { ...plain, tls: {} };
  await assert.rejects(partitionCount(stranger, "x", soon()));
});

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

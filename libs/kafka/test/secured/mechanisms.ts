import assert from "node:assert/strict";
import { test } from "node:test";
import { causes } from "@hybridge/core";
import {
  countRecords,
  ensureTopic,
  openFencedWriter,
  partitionCount,
  type ClusterOptions,
} from "../../src/index.ts";
import { Cluster } from "../../src/raw.ts";
import { within, type SecuredBroker } from "./broker.ts";

const LOGINS = [
  ["PLAIN", "admin"],
  ["SCRAM-SHA-256", "mirror"],
  ["SCRAM-SHA-512", "mirror"],
] as const;

export function testMechanisms(broker: SecuredBroker): void {
  for (const [mechanism, username] of LOGINS) {
    test(`records go over TLS after a login with ${mechanism}`, async () => {
      const password = broker.security.password(username);
      if (mechanism === "SCRAM-SHA-256") await broker.setPassword(username, mechanism, password);
      const sasl = { mechanism, username, password };
      const cluster: ClusterOptions = { ...broker.as(username), sasl };
      const topic = `secure-${mechanism}`;
      await ensureTopic(cluster, { topic, partitions: 1 }, within());
      const transactionalId = `w-${mechanism}`;
      const options = { cluster, transactionalId, topic, partitions: [0], signal: within() };
      await using writer = await openFencedWriter(options);
      const record = { key: null, value: Buffer.alloc(200_000, "v"), headers: [], timestampMs: 1 };
      await writer.append(0, [record, record]);
      assert.equal(await countRecords(cluster, topic, within()), 2n);

      const wrong = { ...cluster, sasl: { ...sasl, password: "other" } };
      await assert.rejects(partitionCount(wrong, topic, within()), {
        code: "KAFKA_AUTHENTICATION",
      });
    });
  }

  test("a listener that wants TLS is named as the likely cause, and a stranger's certificate refused", async () => {
    const plain = { bootstrap: broker.addresses.password, clientId: "it" };
    await using withoutTls = new Cluster(plain);
    assert.match(await refusalOf(withoutTls), /whether this listener wants TLS/);
    await using withoutAuthority = new Cluster({ ...plain, tls: {} });
    assert.match(await refusalOf(withoutAuthority), /unable to verify the first certificate/);
  });
}

/** All that an error says, causes included. */
async function refusalOf(cluster: Cluster): Promise<string> {
  const error = await cluster.any(within()).catch((thrown: unknown) => thrown);
  return [...causes(error)].map(String).join("\n");
}

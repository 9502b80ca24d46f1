import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureTopic, readOffsets, type ClusterOptions } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  seededRandom,
} from "@hybridge/kafka/testing";
import { within } from "./harness.ts";
import { hasCaughtUp, startMirrorProcess } from "./mirror-process.ts";
import { startSecureBroker, type Login, type SecureBroker } from "./secure-broker.ts";

const logins = {
  SOURCE: { mechanism: "SCRAM-SHA-512", username: "reader", password: "only-for-the-source" },
  TARGET: { mechanism: "SCRAM-SHA-256", username: "writer", password: "only-for-the-target" },
} as const satisfies Record<string, Login>;

const dir = mkdtempSync(join(tmpdir(), "hybridge-mirror-security-it-"));
const [from, to] = await Promise.all([
  startSecureBroker(join(dir, "source"), logins.SOURCE),
  startSecureBroker(join(dir, "target"), logins.TARGET),
]);
after(async () => {
  await Promise.all([from[Symbol.asyncDispose](), to[Symbol.asyncDispose]()]);
  rmSync(dir, { recursive: true, force: true });
});

/** The tests' own way in: the listener without TLS. */
const around = ({ kafka }: SecureBroker): ClusterOptions => ({
  bootstrap: kafka.addresses.bootstrap,
  clientId: "it",
});

function settingsOf(side: keyof typeof logins, broker: SecureBroker): Record<string, string> {
  const { mechanism, username, password } = logins[side];
  return {
    [`HYBRIDGE_${side}_BOOTSTRAP`]: broker.secure,
    [`HYBRIDGE_${side}_TLS`]: "true",
    [`HYBRIDGE_${side}_TLS_CA_FILE`]: broker.caFile,
    [`HYBRIDGE_${side}_SASL_MECHANISM`]: mechanism,
    [`HYBRIDGE_${side}_SASL_USERNAME`]: username,
    [`HYBRIDGE_${side}_SASL_PASSWORD`]: password,
  };
}

const settings = {
  ...settingsOf("SOURCE", from),
  ...settingsOf("TARGET", to),
  HYBRIDGE_TOPICS: "secret",
};

test("records cross over TLS with a login of its own on either side, and again after a kill", async () => {
  const [source, target] = [around(from), around(to)];
  await ensureTopic(source, { topic: "secret", partitions: 1 }, within());
  const random = seededRandom(41);
  for (let round = 0; round < 2; round++) {
    const lists = Array.from({ length: 10 }, () => randomRecords(random, 20));
    const at = { topic: "secret", partition: 0, compression: "lz4" } as const;
    await produceBatches(source, at, lists, within());
    // Larger than a TLS record, so that frames come in many pieces.
    const large = { key: null, value: Buffer.alloc(600_000, "x"), headers: [], timestampMs: 1 };
    await produceBatches(source, { topic: "secret", partition: 0 }, [[large]], within());
    await using mirror = startMirrorProcess(settings);
    const ends = [...(await readOffsets(source, "secret", within()))];
    const wanted = new Map([["secret", new Map(ends.map(([number, { end }]) => [number, end]))]]);
    assert.ok(await mirror.until(hasCaughtUp(wanted)), mirror.log());
    mirror.kill("SIGKILL");
    await mirror.ended;
  }
  const topic = "secret";
  const written = { cluster: target, topic };
  assert.equal((await compareTopics({ cluster: source, topic }, written, within())).records, 402);
});

test("a wrong password ends the mirror with a named reason and is not printed", async () => {
  const password = "guessed-in-vain";
  await using mirror = startMirrorProcess({ ...settings, HYBRIDGE_TARGET_SASL_PASSWORD: password });
  assert.equal((await mirror.ended).code, 1, mirror.log());
  assert.match(mirror.log(), /KAFKA_AUTHENTICATION|log in/);
  assert.doesNotMatch(mirror.log(), new RegExp(password));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ensureTopic, readOffsets } from "@hybridge/kafka";
import {
  compareTopics,
  produceBatches,
  randomRecords,
  seededRandom,
} from "@hybridge/kafka/testing";
import { within } from "../harness.ts";
import { hasCaughtUp, startMirrorProcess } from "../mirror-process.ts";
import type { SecuredPair } from "./pair.ts";

const topic = "secret";
const NAMES = { topics: [topic], mirrorId: "in-its-process" };

/** Another user and another mechanism on either side. */
const settingsOf = (pair: SecuredPair) => ({
  ...pair.settings("mirror", "source"),
  ...pair.settings("admin", "target"),
  HYBRIDGE_TOPICS: topic,
  HYBRIDGE_MIRROR_ID: NAMES.mirrorId,
});

export function testProcesses(pair: SecuredPair): void {
  test("records cross over TLS with a login of its own on either side, and again after a kill", async () => {
    const [source, target] = [pair.as("admin", "source"), pair.as("admin", "target")];
    await pair.grant("mirror", NAMES);
    await ensureTopic(source, { topic, partitions: 1 }, within());
    const random = seededRandom(41);
    for (let round = 0; round < 2; round++) {
      const lists = Array.from({ length: 10 }, () => randomRecords(random, 20));
      const at = { topic, partition: 0, compression: "lz4" } as const;
      await produceBatches(source, at, lists, within());
      // Larger than a TLS record, so that frames come in many pieces.
      const large = { key: null, value: Buffer.alloc(600_000, "x"), headers: [], timestampMs: 1 };
      await produceBatches(source, { topic, partition: 0 }, [[large]], within());
      await using mirror = startMirrorProcess(settingsOf(pair));
      const ends = [...(await readOffsets(source, topic, within()))];
      const wanted = new Map([[topic, new Map(ends.map(([number, { end }]) => [number, end]))]]);
      assert.ok(await mirror.until(hasCaughtUp(wanted)), mirror.log());
      mirror.kill("SIGKILL");
      await mirror.ended;
    }
    const written = { cluster: target, topic };
    assert.equal((await compareTopics({ cluster: source, topic }, written, within())).records, 402);
  });

  test("a wrong password ends the mirror with a named reason and is not printed", async () => {
    const password = "guessed-in-vain";
    await using mirror = startMirrorProcess({
      ...settingsOf(pair),
      HYBRIDGE_TARGET_SASL_PASSWORD: password,
    });
    assert.equal((await mirror.ended).code, 1, mirror.log());
    assert.match(mirror.log(), /KAFKA_AUTHENTICATION|log in/);
    assert.doesNotMatch(mirror.log(), new RegExp(password));
  });
}

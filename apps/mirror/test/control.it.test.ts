import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  commitHint,
  countRecords,
  ensureTopic,
  readOffsets,
  type ClusterOptions,
} from "@hybridge/kafka";
import { Cluster, decodeRecords, readBatches } from "@hybridge/kafka/raw";
import { produceBatches, randomRecords, seededRandom } from "@hybridge/kafka/testing";
import type { PartitionStatus } from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import { callUnary } from "@hybridge/rpc";
import { deleteTopic } from "./delete-topic.ts";
import { startPair, within } from "./harness.ts";
import type { MirrorProcess } from "./mirror-process.ts";

// What an operator sees and steers: status, pause and resume, topics that come, go and are refused.

const random = seededRandom(4);
const pair = await startPair("mirror-control-it");
const { source, target, start, fill, untilMirrored, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

type Selection = { sourceTopic: string; partitions: number[] };

async function steer(mirror: MirrorProcess, what: "pause" | "resume", selection: Selection) {
  const client = await mirror.client();
  const answer = await callUnary(client[what].bind(client), selection, { deadlineMs: 30_000 });
  return answer.partitions;
}

async function translate(mirror: MirrorProcess, sourceTopic: string, sourceOffset: bigint) {
  const client = await mirror.client();
  const request = { sourceTopic, partition: 0, sourceOffset };
  return await callUnary(client.translateOffset.bind(client), request, { deadlineMs: 5_000 });
}

async function statusOf(mirror: MirrorProcess, topic: string, partition = 0) {
  const { partitions } = await mirror.status();
  const found = partitions.find((one) => one.sourceTopic === topic && one.partition === partition);
  assert.ok(found, `${topic}-${partition} is in the status`);
  return found;
}

const until = (
  mirror: MirrorProcess,
  topic: string,
  predicate: (status: PartitionStatus) => boolean,
) =>
  mirror.until(({ partitions }) => {
    const mine = partitions.filter(({ sourceTopic }) => sourceTopic === topic);
    return mine.length > 0 && mine.every(predicate);
  });

const eventsOf = (mirror: MirrorProcess, name: string) =>
  mirror.events().filter(({ event }) => event === name);

async function make(topic: string, partitions = 1): Promise<void> {
  await ensureTopic(source, { topic, partitions }, within());
}

async function recordsIn(options: ClusterOptions, topic: string): Promise<string[]> {
  await using cluster = new Cluster(options);
  const at = { topic, partition: 0, from: 0n, committedOnly: true };
  const texts: string[] = [];
  for await (const batch of readBatches(cluster, at, within())) {
    for (const { key, value } of decodeRecords(batch)) {
      texts.push(`${key?.toString("hex") ?? "-"}=${value?.toString("hex") ?? "-"}`);
    }
  }
  return texts;
}

/** The lines of a mirror's metrics. */
async function readMetrics(mirror: MirrorProcess): Promise<string[]> {
  const url = /"metrics.listening".*?"url":"([^"]+)"/.exec(mirror.log())?.[1];
  return (await (await fetch(String(url))).text()).split("\n");
}

test("the status tells where every partition stands, and offsets are translated", async () => {
  await make("status", 2);
  const at = { topic: "status", partition: 0 };
  await produceBatches(source, at, [randomRecords(random, 30)], within());
  await using mirror = start("status");
  await untilMirrored(mirror, "status");
  await until(mirror, "status", ({ lag }) => lag === 0n);
  const { rate, ...full } = await statusOf(mirror, "status");
  assert.equal(typeof rate, "number");
  // The fence takes the first offset of the target.
  const expected = { sourceOffset: 30n, sourceEndOffset: 30n, targetOffset: 31n };
  const nothing = { lag: 0n, lagMs: 0n, deadLetters: 0n, reason: "", state: "MIRRORING" };
  const route = { sourceTopic: "status", targetTopic: "status", partition: 0 };
  assert.deepEqual(full, { ...route, ...expected, ...nothing });
  const empty = await statusOf(mirror, "status", 1);
  assert.deepEqual([empty.sourceEndOffset, empty.targetOffset, empty.lagMs], [0n, 1n, 0n]);
  const inside = await translate(mirror, "status", 12n);
  assert.deepEqual(inside, { targetTopic: "status", targetOffset: 13n, exact: true });
  const beyond = await translate(mirror, "status", 40n);
  assert.deepEqual(beyond, { targetTopic: "status", targetOffset: 31n, exact: false });
  const unknown = { reason: "KAFKA_UNKNOWN_TOPIC" };
  await assert.rejects(translate(mirror, "nowhere", 0n), unknown);
  await assert.rejects(steer(mirror, "pause", { sourceTopic: "nowhere", partitions: [] }), unknown);
  await assert.rejects(
    steer(mirror, "pause", { sourceTopic: "status", partitions: [0, 7] }),
    /status-7/,
  );
  await assert.rejects(steer(mirror, "pause", { sourceTopic: "", partitions: [0] }), {
    status: "INVALID_ARGUMENT",
  });
  assert.equal((await statusOf(mirror, "status")).state, "MIRRORING", "nothing was paused");
});

test("a paused partition rests, its lag grows, a restart keeps it, and nothing is lost", async () => {
  await make("paused", 2);
  await fill("paused", random);
  await using first = start("paused", { HYBRIDGE_METRICS_PORT: "0" });
  await untilMirrored(first, "paused");
  const [answer] = await steer(first, "pause", { sourceTopic: "paused", partitions: [0] });
  assert.equal(answer?.state, "PAUSED");
  assert.match(answer.reason, /^paused by an operator since \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const end = (await readOffsets(target, "paused", within())).get(0)?.end;
  await fill("paused", random);
  const isPaused = (one: PartitionStatus) => one.partition === 1 || one.lag > 0n;
  await until(first, "paused", isPaused);
  const before = await statusOf(first, "paused");
  await fill("paused", random);
  await sleep(2_500);
  const later = await statusOf(first, "paused");
  assert.ok(later.lag > before.lag && later.lagMs >= before.lagMs + 2_000n, "the lag grows");
  assert.equal((await statusOf(first, "paused", 1)).lag, 0n, "the other one goes on");
  const metrics = await readMetrics(first);
  const lag = `hybridge_mirror_lag_records{topic="paused",partition="0"} ${later.lag}`;
  for (const line of [lag, 'hybridge_mirror_partitions{topic="paused",state="PAUSED"} 1']) {
    assert.ok(metrics.includes(line), `${line} is not in\n${metrics.join("\n")}`);
  }
  const [again] = await steer(first, "pause", { sourceTopic: "paused", partitions: [0] });
  assert.equal(again?.reason, answer.reason, "paused once");
  assert.equal((await first.status()).state, "RUNNING");
  first.kill("SIGKILL");
  await first.ended;
  await using second = start("paused");
  await until(second, "paused", ({ partition, state }) => partition === 1 || state === "PAUSED");
  await until(second, "paused", ({ partition, lagMs }) => partition === 1 || lagMs > 2_500n);
  const kept = await statusOf(second, "paused");
  assert.deepEqual([kept.reason, kept.lag], [later.reason, later.lag]);
  assert.equal((await translate(second, "paused", 5n)).exact, true);
  assert.equal((await readOffsets(target, "paused", within())).get(0)?.end, end, "nothing came");
  const resumed = await steer(second, "resume", { sourceTopic: "", partitions: [] });
  assert.equal(resumed.length, 2);
  await untilMirrored(second, "paused");
  await assertSame("paused");
  second.kill("SIGKILL");
  await second.ended;
  await using third = start("paused");
  await untilMirrored(third, "paused");
});

test("pausing in the middle of the work loses nothing and doubles nothing", async () => {
  await make("busy", 3);
  await fill("busy", random, 150);
  await using mirror = start("busy");
  const all = { sourceTopic: "busy", partitions: [] };
  await until(mirror, "busy", () => true);
  for (let count = 0; count < 6; count++) {
    const [pausing, filling] = [steer(mirror, "pause", all), fill("busy", random, 20)];
    for (const { state } of await pausing) assert.equal(state, "PAUSED");
    // Two at once: whichever comes second finds its work done.
    if (count % 2 === 0) await Promise.all([steer(mirror, "pause", all), filling]);
    await steer(mirror, "resume", all);
    await filling;
    await sleep(count * 40);
  }
  await untilMirrored(mirror, "busy");
  await assertSame("busy");
});

test("a pause that was written down holds, whatever happens before it is answered", async () => {
  await make("crash");
  await fill("crash", random);
  await using first = start("crash", { HYBRIDGE_FAILPOINT: "mirror.pause.written" });
  await untilMirrored(first, "crash");
  await assert.rejects(steer(first, "pause", { sourceTopic: "crash", partitions: [] }));
  assert.equal((await first.ended).signal, "SIGKILL");
  await fill("crash", random);
  await using second = start("crash");
  await until(second, "crash", ({ state }) => state === "PAUSED");
  await steer(second, "resume", { sourceTopic: "crash", partitions: [0] });
  await untilMirrored(second, "crash");
  await assertSame("crash");
});

test("the lag is right while the target is away", async () => {
  await make("away");
  await fill("away", random);
  await using mirror = start("away", { HYBRIDGE_DISCOVER_MS: "250" });
  await untilMirrored(mirror, "away");
  await until(mirror, "away", ({ lag }) => lag === 0n);
  const { sourceOffset } = await statusOf(mirror, "away");
  await pair.brokers.target.kill("SIGKILL");
  await fill("away", random);
  await fill("away", random);
  const end = (await readOffsets(source, "away", within())).get(0)?.end ?? 0n;
  await until(mirror, "away", ({ lagMs }) => lagMs > 1_500n);
  const away = await statusOf(mirror, "away");
  assert.deepEqual([away.sourceOffset, away.sourceEndOffset], [sourceOffset, end]);
  assert.equal(away.lag, end - sourceOffset);
  assert.notEqual(away.state, "MIRRORING");
  const { state, reason } = await mirror.status();
  assert.equal(state, "DEGRADED");
  // Whoever notices first: the partition that writes, or the look at the target's topics.
  assert.match(reason, /away-0 is |a cluster does not answer: .*no broker answers/);
  await pair.brokers.target.restart();
  await untilMirrored(mirror, "away");
  await assertSame("away");
});

test("what was put aside before a pause is not put aside again after it", async () => {
  await make("aside");
  const config = { "cleanup.policy": "compact" };
  await ensureTopic(target, { topic: "aside", partitions: 1, config }, within());
  const [first, last] = randomRecords(random, 2);
  assert.ok(first && last);
  const list = [
    { ...first, key: Buffer.from("a") },
    { ...last, key: null },
  ];
  await produceBatches(source, { topic: "aside", partition: 0 }, [list], within());
  await using mirror = start("aside", { HYBRIDGE_DEAD_LETTER_TOPIC: "aside-dead" });
  await until(mirror, "aside", ({ deadLetters, lag }) => deadLetters === 1n && lag === 0n);
  await steer(mirror, "pause", { sourceTopic: "aside", partitions: [] });
  await steer(mirror, "resume", { sourceTopic: "aside", partitions: [] });
  await until(mirror, "aside", ({ state, lag }) => state === "MIRRORING" && lag === 0n);
  mirror.kill("SIGKILL");
  await mirror.ended;
  await using again = start("aside", { HYBRIDGE_DEAD_LETTER_TOPIC: "aside-dead" });
  await until(again, "aside", ({ state, lag }) => state === "MIRRORING" && lag === 0n);
  assert.equal(await countRecords(target, "aside-dead", within()), 1n);
});

test("what another mirror took over is not taken back by an operator's resume", async () => {
  await make("taken");
  await make("kept");
  await fill("kept", random);
  const id = { HYBRIDGE_MIRROR_ID: "take-over" };
  await using first = start("taken|kept", id);
  await untilMirrored(first, "kept");
  await until(first, "taken", ({ state }) => state === "MIRRORING");
  await using second = start("taken", id);
  await until(second, "taken", ({ state }) => state === "MIRRORING");
  await fill("taken", random);
  await until(first, "taken", ({ state }) => state === "FAILED");
  assert.equal(eventsOf(first, "mirror.fenced").length, 1);
  await assert.rejects(steer(first, "resume", { sourceTopic: "taken", partitions: [] }), {
    reason: "KAFKA_FENCED",
  });
  const paused = await steer(first, "pause", { sourceTopic: "", partitions: [] });
  const states = paused.map(({ sourceTopic, state }) => `${sourceTopic} ${state}`).sort();
  assert.deepEqual(states, ["kept PAUSED", "taken FAILED"]);
  await untilMirrored(second, "taken");
  await assertSame("taken");
});

test("a topic that the target refuses does not stop the one beside it", async () => {
  const long = "l".repeat(245);
  await make(long);
  await make("good");
  await fill("good", random);
  const settings = { HYBRIDGE_TARGET_PREFIX: "copy-of-", HYBRIDGE_DISCOVER_MS: "250" };
  await using mirror = start("l+|good", settings);
  await untilMirrored(mirror, "good");
  const count = await countRecords(source, "good", within());
  assert.equal(await countRecords(target, "copy-of-good", within()), count);
  await sleep(1_000);
  const { state, reason } = await mirror.status();
  assert.equal(state, "DEGRADED");
  assert.match(reason, /topic l+ is refused: .*INVALID_TOPIC/);
  assert.equal(eventsOf(mirror, "mirror.topic_refused").length, 1, "told once");
});

test("a deleted source topic leaves the status, and the others go on", async () => {
  await make("deleted", 2);
  await make("stays");
  await fill("deleted", random);
  await fill("stays", random);
  await using mirror = start("deleted|stays", { HYBRIDGE_DISCOVER_MS: "300" });
  await untilMirrored(mirror, "deleted", "stays");
  const { records } = await mirror.status();
  await deleteTopic(source, "deleted", within());
  await mirror.until(({ partitions }) => partitions.length === 1);
  const [event] = eventsOf(mirror, "mirror.source_topic_deleted");
  assert.deepEqual([event?.["sourceTopic"], event?.["partitions"]], ["deleted", 2]);
  await fill("stays", random);
  await untilMirrored(mirror, "stays");
  const after = await mirror.status();
  assert.ok(after.records > records, "what was moved stays counted");
  await mirror.until(({ state }) => state === "RUNNING");
});

test("a topic made again under its name is followed while the mirror runs, if so set", async () => {
  await make("followed");
  await fill("followed", random);
  await using mirror = start("followed", {
    HYBRIDGE_ON_RECREATION: "continue",
    // The reader notices first, not the discovery.
    HYBRIDGE_DISCOVER_MS: "60000",
  });
  await untilMirrored(mirror, "followed");
  const old = await recordsIn(source, "followed");
  await deleteTopic(source, "followed", within());
  await make("followed");
  await fill("followed", random, 30);
  await untilMirrored(mirror, "followed");
  await mirror.until(() => eventsOf(mirror, "mirror.topic_recreated").length > 0);
  await untilMirrored(mirror, "followed");
  const fresh = await recordsIn(source, "followed");
  assert.deepEqual(await recordsIn(target, "followed"), [...old, ...fresh]);
});

test("a topic made again while no mirror ran stops it, or is put behind the old records", async () => {
  await make("again");
  await fill("again", random);
  await using first = start("again");
  await untilMirrored(first, "again");
  first.kill("SIGTERM");
  await first.ended;
  // The last records are in the target and not in the positions: no source has them any more.
  await fill("again", random);
  await using second = start("again", { HYBRIDGE_POSITIONS_MS: "60000" });
  await untilMirrored(second, "again");
  second.kill("SIGKILL");
  await second.ended;
  const old = await recordsIn(source, "again");
  await deleteTopic(source, "again", within());
  await make("again");
  await fill("again", random, 4);
  await using stopping = start("again");
  assert.equal((await stopping.ended).code, 1);
  assert.match(stopping.log(), /KAFKA_TOPIC_RECREATED/);
  assert.doesNotMatch(stopping.log(), /MIRROR_TARGET_DIVERGED/);
  assert.equal(eventsOf(stopping, "mirror.topic_recreated").length, 1);
  await using following = start("again", { HYBRIDGE_ON_RECREATION: "continue" });
  await untilMirrored(following, "again");
  const sofar = await recordsIn(source, "again");
  assert.deepEqual(await recordsIn(target, "again"), [...old, ...sofar]);
  following.kill("SIGKILL");
  await following.ended;
  // The new topic has positions of its own now (or a tail of its own): it is known.
  await fill("again", random);
  await using last = start("again", { HYBRIDGE_ON_RECREATION: "continue" });
  await untilMirrored(last, "again");
  const all = await recordsIn(source, "again");
  assert.deepEqual(await recordsIn(target, "again"), [...old, ...all]);
});

test("a failed partition is tried again when the operator says so", async () => {
  await make("retried");
  await make("beside");
  await fill("retried", random);
  await using mirror = start("retried|beside", { HYBRIDGE_DISCOVER_MS: "60000" });
  await untilMirrored(mirror, "retried");
  await deleteTopic(source, "retried", within());
  await make("retried");
  await until(mirror, "retried", ({ state }) => state === "FAILED");
  await steer(mirror, "resume", { sourceTopic: "retried", partitions: [] });
  await mirror.until(() => eventsOf(mirror, "mirror.partition_failed").length === 2);
  const [paused] = await steer(mirror, "pause", { sourceTopic: "retried", partitions: [0] });
  assert.equal(paused?.state, "PAUSED");
  assert.match(paused.reason, /it had failed: .*deleted and created again/);
});

test("with one cluster and a prefix the mirror does not feed on its own output", async () => {
  await make("loop");
  await fill("loop", random);
  const settings = {
    HYBRIDGE_TARGET_BOOTSTRAP: source.bootstrap,
    HYBRIDGE_TARGET_PREFIX: "mine.",
    HYBRIDGE_DISCOVER_MS: "250",
  };
  await using mirror = start("(mine[.])*loop", settings);
  await untilMirrored(mirror, "loop");
  await sleep(1_000);
  const { partitions } = await mirror.status();
  assert.deepEqual(
    partitions.map(({ sourceTopic, targetTopic }) => [sourceTopic, targetTopic]),
    [["loop", "mine.loop"]],
  );
  assert.deepEqual(await recordsIn(source, "mine.loop"), await recordsIn(source, "loop"));
});

test("with .* neither internal topics are mirrored nor those of Connect and MirrorMaker", async () => {
  const theirs = ["mm2-offset-syncs.there.internal", "connect-internal", "orders.replica"];
  for (const topic of [...theirs, "orders"]) await make(topic);
  await commitHint(source, "a-group", "orders", new Map([[0, 0n]]));
  await using mirror = start(".*");
  await until(mirror, "orders", ({ state }) => state === "MIRRORING");
  const mirrored = (await mirror.status()).partitions.map(({ sourceTopic }) => sourceTopic);
  assert.equal(mirrored.includes("paused"), true);
  for (const topic of theirs) assert.equal(mirrored.includes(topic), false, topic);
  assert.deepEqual(
    mirrored.filter((topic) => topic.startsWith("__")),
    [],
  );
});

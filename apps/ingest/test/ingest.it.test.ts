import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { partitionOfKey } from "@hybridge/ingest";
import { ensureTopic, partitionCount } from "@hybridge/kafka";
import { startKafka, type Kafka } from "@hybridge/local";
import { IngestControlClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import { callUnary, createClient } from "@hybridge/rpc";
import { postAt } from "@hybridge/tweet";
import {
  produceWithConsoleProducer,
  readWithConsoleConsumer,
  type PrintedRecord,
} from "./console-clients.ts";
import { startIngest, type IngestProcess } from "./ingest-process.ts";

const PARTITIONS = 6;
const SEED = 11;
const EPOCH = "2026-11-01T00:00:00Z";

let dir: string;
let kafka: Kafka;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "hybridge-ingest-it-"));
  kafka = await startKafka({ dir: join(dir, "kafka") });
});

after(async () => {
  await kafka.stop();
  rmSync(dir, { recursive: true, force: true });
});

function settings(topic: string, more: Record<string, string>): Record<string, string> {
  return {
    HYBRIDGE_SOURCE_BOOTSTRAP: kafka.addresses.bootstrap,
    HYBRIDGE_TOPIC: topic,
    HYBRIDGE_TOPIC_PARTITIONS: String(PARTITIONS),
    HYBRIDGE_REPLAY_SEED: String(SEED),
    HYBRIDGE_REPLAY_EPOCH: EPOCH,
    HYBRIDGE_REPLAY_RATE: "0",
    HYBRIDGE_DEAD_LETTER_DIR: join(dir, `dead-letters-${topic}`),
    HYBRIDGE_SPOOL_DIR: join(dir, "spool"),
    ...more,
  };
}

async function untilDone(ingest: IngestProcess) {
  const status = await ingest.until(({ state }) => state === "DONE");
  assert.ok(status, `ingest ended:\n${ingest.log()}`);
  return status;
}

/** What went in, by index, equals what a Java client finds: all of it, once, in order, in its place. */
function assertDelivered(records: readonly PrintedRecord[], posts: number, seed = SEED): void {
  assert.equal(records.length, posts, "records in the topic");
  const next: number[] = Array.from({ length: PARTITIONS }, () => 0);
  const byPartition = Array.from({ length: PARTITIONS }, (_, partition) => {
    return records.filter((record) => record.partition === partition);
  });
  for (let index = 0; index < posts; index++) {
    const { id, json, schema } = postAt(seed, index, Date.parse(EPOCH));
    const partition = partitionOfKey(Buffer.from(id), PARTITIONS);
    const place = next[partition] ?? 0;
    next[partition] = place + 1;
    const record = byPartition[partition]?.[place];
    assert.equal(record?.key, id, `post ${index}`);
    assert.equal(record.value, json);
    assert.equal(record.headers.get("hybridge-schema"), schema);
    assert.equal(record.headers.get("hybridge-source"), "replay");
    assert.match(record.headers.get("traceparent") ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  }
}

test("killed at every failpoint and at random, the topic gets every post once", async () => {
  const topic = "kills";
  let posts = 0;
  const failpoints = ["ingest.fenced", "ingest.before-append", "ingest.after-append"];
  const hits = failpoints.flatMap((name) =>
    name === "ingest.fenced" ? [name] : [`${name}@1`, `${name}@2`, `${name}@5`],
  );
  for (const name of hits) {
    posts += 1_500;
    const env = { HYBRIDGE_REPLAY_POSTS: String(posts), HYBRIDGE_BATCH_BYTES_MAX: "16384" };
    await using ingest = startIngest(settings(topic, { ...env, HYBRIDGE_FAILPOINT: name }));
    assert.equal((await ingest.ended).signal, "SIGKILL", `${name}\n${ingest.log()}`);
  }
  const seed = Date.now() % 1_000_000;
  for (let round = 0; round < 4; round++) {
    posts += 4_000;
    const wanted = BigInt(posts - ((seed >> round) % 3_900));
    await using ingest = startIngest(settings(topic, { HYBRIDGE_REPLAY_POSTS: String(posts) }));
    await ingest.until(({ total }) => total >= wanted);
    ingest.kill("SIGKILL");
    await ingest.ended;
  }
  await using ingest = startIngest(settings(topic, { HYBRIDGE_REPLAY_POSTS: String(posts) }));
  const status = await untilDone(ingest);
  assert.equal(Number(status.total), posts, `seed ${seed}`);
  assertDelivered(await readWithConsoleConsumer(kafka.addresses.bootstrap, topic), posts);
});

test("a second ingest takes over; the first one ends with the reason", async () => {
  const topic = "owners";
  // So slow that the first one is in the middle of it when the second one comes, however late.
  const env = settings(topic, { HYBRIDGE_REPLAY_POSTS: "3000", HYBRIDGE_REPLAY_RATE: "20" });
  await using first = startIngest(env);
  await first.until(({ total }) => total > 20n);
  await using second = startIngest({ ...env, HYBRIDGE_REPLAY_RATE: "0" });
  await untilDone(second);
  const end = await first.ended;
  assert.equal(end.code, 1, first.log());
  assert.match(first.log(), /owner/);
  assertDelivered(await readWithConsoleConsumer(kafka.addresses.bootstrap, topic), 3_000);
});

test("two processes with spools of their own share a topic, also when one is killed", async () => {
  const topic = "shared";
  const env = (seed: number) => ({
    ...settings(topic, { HYBRIDGE_REPLAY_POSTS: "3000", HYBRIDGE_REPLAY_RATE: "1500" }),
    HYBRIDGE_REPLAY_SEED: String(seed),
    HYBRIDGE_SPOOL_DIR: join(dir, `spool-${seed}`),
    HYBRIDGE_DEAD_LETTER_DIR: join(dir, `dead-letters-${seed}`),
  });
  await using first = startIngest(env(21));
  {
    await using second = startIngest(env(22));
    await second.until(({ total }) => total > 500n);
    second.kill("SIGKILL");
    await second.ended;
  }
  await using again = startIngest(env(22));
  await untilDone(first);
  await untilDone(again);
  const records = await readWithConsoleConsumer(kafka.addresses.bootstrap, topic);
  assert.equal(records.length, 6_000);
  for (const seed of [21, 22]) {
    const own = records.filter(({ headers }) => {
      return headers.get("hybridge-origin")?.startsWith(`seed-${seed}.`) === true;
    });
    assertDelivered(own, 3_000, seed);
  }
});

test("what is no post goes to the dead letters, once, also after a kill", async () => {
  const topic = "letters";
  const cluster = { bootstrap: kafka.addresses.bootstrap, clientId: "test" };
  const { signal } = new AbortController();
  await ensureTopic(cluster, { topic, partitions: 3 }, signal);
  const file = join(dir, "posts.ndjson");
  const large = `{"id_str":"9","text":"${"x".repeat(2_000_000)}"}`;
  writeFileSync(file, `{"id_str":"1"}\nnot json\n${large}\n{"id_str":"2"}\n{"text":"no id"}\n`);
  const traceFile = join(dir, "spans.ndjson");
  const env = settings(topic, {
    HYBRIDGE_REPLAY_FILES: file,
    HYBRIDGE_REPLAY_POSTS: "100",
    HYBRIDGE_TRACE_RATIO: "1",
    HYBRIDGE_TRACE_FILE: traceFile,
  });
  {
    await using killed = startIngest({
      ...env,
      HYBRIDGE_FAILPOINT: "ingest.dead-letter-written",
    });
    assert.equal((await killed.ended).signal, "SIGKILL", killed.log());
  }
  await using ingest = startIngest(env);
  const status = await untilDone(ingest);
  assert.deepEqual([status.total, status.deadLetters, status.unreadable], [100n, 2n, 3n]);
  const letters = readFileSync(
    join(env["HYBRIDGE_DEAD_LETTER_DIR"] ?? "", "ingest.ndjson"),
    "utf8",
  );
  const codes = letters
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { item, code, length, base64 } = JSON.parse(line) as Record<string, unknown>;
      assert.equal(Buffer.from(String(base64), "base64").length, length);
      return [item, code];
    });
  assert.deepEqual(codes, [
    [2, "NOT_JSON"],
    [3, "TOO_LARGE"],
    [5, "NO_ID"],
  ]);
  const records = await readWithConsoleConsumer(kafka.addresses.bootstrap, topic);
  assert.equal(records.length, 100);
  assert.equal(new Set(records.map(({ key }) => key)).size, 100);
  assert.equal(await partitionCount(cluster, topic, signal), 3, "a topic is never altered");
  assert.match(ingest.log(), /has 3 partitions and is used as it is/);
  ingest.kill("SIGTERM");
  assert.equal((await ingest.ended).code, 0);
  const spans = readFileSync(traceFile, "utf8").trimEnd().split("\n");
  const traces = spans.map((line) => (JSON.parse(line) as { traceId: string }).traceId);
  for (const { key, headers } of records) {
    // It may be from the process that was killed, with its span still unwritten.
    if (key === "1") continue;
    const [, traceId = "", , flags] = (headers.get("traceparent") ?? "").split("-");
    assert.equal(flags, "01");
    assert.ok(traces.includes(traceId), "the trace of a record has its root span");
  }
});

test("a broker that goes away degrades ingest, and it goes on when the broker is back", async () => {
  const topic = "outage";
  const env = settings(topic, { HYBRIDGE_REPLAY_POSTS: "2000", HYBRIDGE_REPLAY_RATE: "400" });
  await using ingest = startIngest(env);
  await ingest.until(({ total }) => total > 100n);
  await kafka.kill("SIGKILL");
  const degraded = await ingest.until(({ state }) => state === "DEGRADED");
  assert.ok(degraded, ingest.log());
  assert.notEqual(degraded.reason, "");
  await kafka.restart();
  await untilDone(ingest);
  assertDelivered(await readWithConsoleConsumer(kafka.addresses.bootstrap, topic), 2_000);
  ingest.kill("SIGTERM");
  assert.equal((await ingest.ended).code, 0);
});

test("feeds are listed, paused and resumed over gRPC, and posts come over HTTP beside a replay", async () => {
  const topic = "control";
  await using ingest = startIngest({
    ...settings(topic, { HYBRIDGE_REPLAY_POSTS: "300", HYBRIDGE_REPLAY_RATE: "50" }),
    HYBRIDGE_FEEDS: "replay,push",
    HYBRIDGE_PUSH_PORT: "0",
    HYBRIDGE_METRICS_PORT: "0",
    HYBRIDGE_PUSH_TOKEN: "secret",
  });
  await ingest.until(({ total }) => total > 20n);
  const address = await ingest.address;
  assert.ok(typeof address === "string", ingest.log());
  const client = createClient(IngestControlClient, address);
  try {
    const limits = { deadlineMs: 10_000 };
    const paused = await callUnary(client.pause.bind(client), { feeds: ["replay"] }, limits);
    assert.deepEqual(paused.feeds, ["replay"]);
    const list = () => callUnary(client.listFeeds.bind(client), {}, limits);
    const { feeds, spool } = await list();
    assert.deepEqual(
      feeds.map(({ name, state }) => [name, state]),
      [
        ["replay", "PAUSED"],
        ["push", "STREAMING"],
      ],
    );
    assert.match(spool?.id ?? "", /^[0-9a-f]{12}$/);
    const url = /"event":"push\.listening","address":"([^"]+)"/.exec(ingest.log())?.[1] ?? "";
    const body = '{"id_str":"1","text":"pushed"}\n';
    const response = await fetch(url, {
      method: "POST",
      headers: { authorization: "Bearer secret" },
      body,
    });
    assert.deepEqual(await response.json(), { lines: 1, records: 1 });
    const metrics = /"event":"metrics\.listening","url":"([^"]+)"/.exec(ingest.log())?.[1] ?? "";
    const numbers = await (await fetch(metrics)).text();
    assert.match(numbers, /^hybridge_feed_streaming\{feed="replay"\} 0$/m);
    assert.match(numbers, /^hybridge_feed_streaming\{feed="push"\} 1$/m);
    assert.match(numbers, /^hybridge_spool_records \d+$/m);
    const before = (await list()).feeds[0]?.posts ?? 0n;
    assert.ok(before < 300n, "the pause came in the middle");
    await assert.rejects(
      callUnary(client.listRules.bind(client), { feed: "replay" }, limits),
      /does not filter by rules/,
    );
    await callUnary(client.resume.bind(client), { feeds: [] }, limits);
    await ingest.until(({ total }) => total === 301n);
  } finally {
    client.close();
  }
  const records = await readWithConsoleConsumer(kafka.addresses.bootstrap, topic);
  const [pushed] = records.filter(({ headers }) => headers.get("hybridge-source") === "push");
  assert.equal(pushed?.key, "1");
  assertDelivered(
    records.filter((record) => record !== pushed),
    300,
  );
});

test("while the disk for dead letters is full ingest waits, and goes on when there is room", async (t) => {
  const disk = join(dir, "small-disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { stdio: "pipe" });
  } catch (error) {
    t.skip(`a small disk cannot be mounted here: ${String(error).split("\n")[0]}`);
    return;
  }
  t.after(() => void execFileSync("umount", ["-l", disk]));
  const filler = join(disk, "filler");
  writeFileSync(filler, Buffer.alloc(220_000));
  const file = join(dir, "bad.ndjson");
  writeFileSync(file, `{"id_str":"1"}\nbad ${"x".repeat(50_000)}\n{"id_str":"2"}\n`);
  const env = settings("full", { HYBRIDGE_REPLAY_FILES: file, HYBRIDGE_REPLAY_POSTS: "50" });
  await using ingest = startIngest({ ...env, HYBRIDGE_DEAD_LETTER_DIR: disk });
  const status = await ingest.until(({ state }) => state === "DEGRADED");
  assert.match(status?.reason ?? "", /the disk is full/, ingest.log());
  rmSync(filler);
  assert.deepEqual((await untilDone(ingest)).total, 50n);
  const [letter, ...others] = readFileSync(join(disk, "ingest.ndjson"), "utf8")
    .trimEnd()
    .split("\n");
  assert.equal((JSON.parse(letter ?? "") as { length: number }).length, 50_004);
  assert.equal(others.length, 0);
});

test("while the disk of the spool is full ingest waits, and goes on when there is room", async (t) => {
  const disk = join(dir, "spool-disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], { stdio: "pipe" });
  } catch (error) {
    t.skip(`a small disk cannot be mounted here: ${String(error).split("\n")[0]}`);
    return;
  }
  t.after(() => void execFileSync("umount", ["-l", disk]));
  const filler = join(disk, "filler");
  writeFileSync(filler, Buffer.alloc(2_700_000));
  const env = settings("full-spool", { HYBRIDGE_REPLAY_POSTS: "2000", HYBRIDGE_SPOOL_DIR: disk });
  await using ingest = startIngest(env);
  const status = await ingest.until(({ state }) => state === "DEGRADED");
  assert.match(status?.reason ?? "", /the disk is full/, ingest.log());
  rmSync(filler);
  assert.deepEqual((await untilDone(ingest)).total, 2_000n);
  assertDelivered(await readWithConsoleConsumer(kafka.addresses.bootstrap, "full-spool"), 2_000);
});

test("where nobody answers, ingest says what it waits for, and stops when asked", async () => {
  const env = settings("nobody", { HYBRIDGE_SOURCE_BOOTSTRAP: "127.0.0.1:9" });
  await using ingest = startIngest(env);
  const status = await ingest.until(({ state }) => state === "DEGRADED");
  assert.match(status?.reason ?? "", /127\.0\.0\.1:9/);
  ingest.kill("SIGTERM");
  assert.equal((await ingest.ended).code, 0, ingest.log());
});

test("records of others in the topic do not stop ingest", async () => {
  const topic = "strangers";
  const env = settings(topic, { HYBRIDGE_REPLAY_POSTS: "2000", HYBRIDGE_REPLAY_RATE: "500" });
  await using ingest = startIngest(env);
  await ingest.until(({ total }) => total > 100n);
  await produceWithConsoleProducer(kafka.addresses.bootstrap, topic, ["stranger 1", "stranger 2"]);
  await untilDone(ingest);
  const records = await readWithConsoleConsumer(kafka.addresses.bootstrap, topic);
  assertDelivered(
    records.filter(({ value }) => !value.startsWith("stranger")),
    2_000,
  );
  assert.equal(records.length, 2_002);
});

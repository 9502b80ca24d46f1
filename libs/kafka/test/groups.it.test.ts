// Membership in real groups, by both protocols, with Kafka's own tool as the witness.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startKafka, type Kafka } from "@hybridge/local";
import {
  fixedMembership,
  openMembership,
  type GroupProtocol,
  type Membership,
  type TopicPartition,
} from "../src/groups.ts";
import { ensureTopic, type ClusterOptions } from "../src/index.ts";
import { produceBatches } from "../src/testing/index.ts";
import { describeGroups } from "./group/tool.ts";

const signal = AbortSignal.timeout(170_000);
const SESSION_MS = 6_000;
const PROTOCOLS = ["consumer", "classic"] as const;
let dir: string;
let broker: Kafka;
let cluster: ClusterOptions;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "hybridge-groups-"));
  broker = await startKafka({
    dir,
    settings: {
      "group.consumer.min.session.timeout.ms": "1000",
      "group.consumer.session.timeout.ms": String(SESSION_MS),
      "group.consumer.min.heartbeat.interval.ms": "500",
      "group.consumer.heartbeat.interval.ms": "1000",
    },
  });
  cluster = { bootstrap: broker.addresses.bootstrap, clientId: "hybridge-test" };
});

after(async () => {
  await broker.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Member {
  readonly membership: Membership;
  /** The numbers of the partitions that it has. */
  readonly has: Set<number>;
  readonly told: string[];
  /** Revocations are settled when this resolves. */
  settle: Promise<unknown>;
}

function joinGroup(topic: string, protocol: GroupProtocol, end = signal): Member {
  const has = new Set<number>();
  const told: string[] = [];
  const forget = (places: readonly TopicPartition[]) => {
    for (const { partition } of places) has.delete(partition);
  };
  const membership = openMembership({
    cluster,
    group: `group-of-${topic}`,
    topics: [topic],
    protocol,
    signal: end,
    sessionTimeoutMs: SESSION_MS,
    heartbeatIntervalMs: 500,
    emit: () => undefined,
    listener: {
      assigned: (places) => {
        for (const { partition } of places) has.add(partition);
        told.push(`assigned ${places.length}`);
      },
      revoked: async (places) => {
        told.push(`revoked ${places.length}`);
        await member.settle;
        forget(places);
      },
      lost: (places) => {
        told.push(`lost ${places.length}`);
        forget(places);
      },
    },
  });
  const member: Member = { membership, has, told, settle: Promise.resolve() };
  return member;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(40_000);
  while (!condition()) {
    if (deadline.aborted) assert.fail(`waited in vain: ${what}`);
    await delay(20);
  }
}

const sizes = (...members: readonly Member[]) => members.map(({ has }) => has.size).join(" ");

function places(topic: string, { has }: Member) {
  return `${topic}:${[...has].sort((a, b) => a - b).join(",")}`;
}

async function share(protocol: GroupProtocol): Promise<readonly [Member, Member]> {
  const topic = `share-${protocol}`;
  await ensureTopic(cluster, { topic, partitions: 6 }, signal);
  const first = joinGroup(topic, protocol);
  await until("all for the first", () => first.has.size === 6);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  first.settle = promise;
  const second = joinGroup(topic, protocol);
  await until("half is to be given up", () => first.told.includes("revoked 3"));
  await until("the second is in", () => second.membership.status().memberId !== undefined);
  assert.equal(sizes(first, second), "6 0", "nothing goes on before it was acknowledged");
  resolve(undefined);
  await until("three each", () => sizes(first, second) === "3 3");
  assert.deepEqual(first.told, ["assigned 6", "revoked 3"]);
  return [first, second];
}

test("two members share; Kafka's tool sees them and their lag; leaving and growth are taken up", async () => {
  const shared = await Promise.all(PROTOCOLS.map(async (protocol) => await share(protocol)));
  for (const [index, protocol] of PROTOCOLS.entries()) {
    const topic = `share-${protocol}`;
    const record = { key: null, value: Buffer.from("post"), headers: [], timestampMs: 1 };
    await produceBatches(cluster, { topic, partition: 0 }, [Array(10).fill(record)], signal);
    for (const { membership } of shared[index] ?? []) {
      await membership.commit([{ topic, partition: 0, offset: 4n }]);
    }
  }
  const bootstrap = cluster.bootstrap;
  const members = await describeGroups(bootstrap, "--members", "--verbose");
  const offsets = await describeGroups(bootstrap);
  for (const [index, protocol] of PROTOCOLS.entries()) {
    const topic = `share-${protocol}`;
    const ofGroup = ({ GROUP }: { readonly GROUP?: string }) => GROUP === `group-of-${topic}`;
    const [first, second] = shared[index] ?? [];
    assert.ok(first && second);
    assert.deepEqual(
      members
        .filter(ofGroup)
        .map((row) => row["CURRENT-ASSIGNMENT"])
        .sort(),
      [places(topic, first), places(topic, second)].sort(),
    );
    const lags = offsets.filter(ofGroup).map((row) => [row["PARTITION"], row["LAG"]]);
    assert.ok(
      lags.some(([partition, lag]) => partition === "0" && lag === "6"),
      lags.join(" "),
    );

    await first.membership[Symbol.asyncDispose]();
    await until("the other has all", () => second.has.size === 6);
    await ensureTopic(cluster, { topic, partitions: 8 }, signal);
    await until("added partitions are assigned", () => second.has.size === 8);
    assert.ok(!second.told.some((entry) => entry.startsWith("lost")), second.told.join());
    assert.equal(second.membership.status().protocol, protocol);
    await second.membership[Symbol.asyncDispose]();
  }
});

test("a group moves from one protocol to the other while its members work, and back", async () => {
  const topic = "moved";
  await ensureTopic(cluster, { topic, partitions: 6 }, signal);
  const classic = joinGroup(topic, "classic");
  await until("all for the first", () => classic.has.size === 6);
  const modern = joinGroup(topic, "auto");
  await until("three each", () => sizes(classic, modern) === "3 3");
  assert.equal(modern.membership.status().protocol, "consumer");
  await classic.membership[Symbol.asyncDispose]();
  await until("all for the modern one", () => modern.has.size === 6);
  const back = joinGroup(topic, "classic");
  await until("three each again", () => sizes(modern, back) === "3 3");
  await modern.membership[Symbol.asyncDispose]();
  await until("all for the classic one", () => back.has.size === 6);
  const told = [classic, modern, back].flatMap((member) => member.told);
  assert.ok(!told.some((entry) => entry.startsWith("lost")), told.join());
  await back.membership[Symbol.asyncDispose]();
});

/** Stops a member's process until another one has its part, and lets it go on. */
async function oversleep(protocol: GroupProtocol): Promise<void> {
  const topic = `stopped-${protocol}`;
  await ensureTopic(cluster, { topic, partitions: 6 }, signal);
  const script = join(import.meta.dirname, "group/member.ts");
  const argv = ["--conditions=@hybridge/source", script];
  argv.push(cluster.bootstrap, `group-of-${topic}`, topic, protocol, String(SESSION_MS));
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const lines: string[] = [];
    createInterface(child.stdout).on("line", (line) => lines.push(line));
    await until("the process has all", () => lines.includes("assigned 6"));
    const other = joinGroup(topic, protocol);
    await until("three go over", () => other.has.size === 3);
    child.kill("SIGSTOP");
    await until("the other has all", () => other.has.size === 6);
    const before = lines.length;
    child.kill("SIGCONT");
    await until("the process has its part again", () => lines.includes("assigned 3"));
    assert.equal(lines[before], "lost 3", lines.join());
    await until("three each", () => other.has.size === 3);
    await other.membership[Symbol.asyncDispose]();
  } finally {
    child.kill("SIGKILL");
  }
}

test("stopped beyond its session, a process drops everything when it wakes, and joins again", async () => {
  await Promise.all(PROTOCOLS.map(oversleep));
});

test("an aborted signal takes everything away and leaves the group", async () => {
  const topic = "aborted";
  await ensureTopic(cluster, { topic, partitions: 2 }, signal);
  const stop = new AbortController();
  const first = joinGroup(topic, "auto", stop.signal);
  await until("all for the first", () => first.has.size === 2);
  stop.abort();
  const second = joinGroup(topic, "auto");
  await until("all for the second", () => second.has.size === 2);
  assert.deepEqual(first.told, ["assigned 2", "lost 2"]);
  await second.membership[Symbol.asyncDispose]();
});

test("without a group, given partitions are assigned and hints committed", async () => {
  const topic = "aborted";
  const given = [{ topic, partition: 1 }];
  const assigned: (readonly TopicPartition[])[] = [];
  const told: string[] = [];
  await using membership = fixedMembership({
    cluster,
    group: "fixed",
    partitions: given,
    listener: { assigned: (partitions) => assigned.push(partitions) },
    signal,
    emit: ({ name, level }) => told.push(`${level} ${name}`),
  });
  await until("assigned", () => assigned.length > 0);
  assert.deepEqual(assigned, [given]);
  assert.equal(membership.owns(topic, 1), true);
  assert.equal(membership.owns(topic, 0), false);
  await membership.commit([{ topic, partition: 1, offset: 7n }]);
  assert.deepEqual(told, []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { HybridgeError, readConfig, UnavailableError } from "@hybridge/core";
import type { CountedRange, LogRange } from "@hybridge/kafka";
import type { MirroredPartition } from "@hybridge/mirror";
import {
  ReconcileServiceClient,
  Verdict,
  type ReconcileResponse,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { redshiftTables } from "@hybridge/redshift";
import { lintRedshiftSql } from "@hybridge/redshift/testing";
import { callUnary, createClient, RpcCallError, rpcSettings, startRpcServer } from "@hybridge/rpc";
import { guardEngine } from "../src/engine.ts";
import { engineHealth } from "../src/health.ts";
import type { SourceLog } from "../src/reconcile-states.ts";
import { reconcileService } from "../src/rpc/reconcile-service.ts";
import { fakeEngine, rowsOf, type Answer } from "./fake-engine.ts";

const loaded = redshiftTables({ schema: "hybridge", table: "tweets" });
const tables = {
  hive: "hybridge.tweets",
  redshift: loaded.posts,
  redshiftDeletions: loaded.deletions,
  redshiftRanges: loaded.ranges,
};

type Sums = readonly (readonly [bigint, bigint, bigint, string])[];

/** What there is; by default both sides hold the 100 records of partition 0 alike. */
interface World {
  readonly log: ReadonlyMap<number, LogRange>;
  readonly topicId: string;
  readonly source: Partial<SourceLog> | undefined;
  readonly mirrored: ReadonlyMap<number, MirroredPartition>;
  readonly internalEnd: ((partition: number) => bigint | undefined) | undefined;
  readonly loads: readonly (readonly [bigint, bigint, bigint])[];
  readonly hive: Sums;
  readonly deleted: Sums;
  readonly redshift: Sums;
  /** Of Redshift's, what a deletion follows that the loader has not applied yet. */
  readonly retracted: Sums;
  readonly deletions: bigint;
  readonly ahead: number;
  /** Answers before all others. */
  readonly answer: (sql: string) => ReturnType<Answer> | undefined;
}

const logOf = (end: bigint, start = 0n) => ({ start, end, highWatermark: end });
const mirroredTo = (count: bigint, targetTopic = "hybrid") => ({
  runs: [{ sourceOffset: 0n, targetOffset: 0n, count }],
  sourceTopicId: "a",
  targetTopic,
});

const world: World = {
  log: new Map([[0, logOf(100n)]]),
  topicId: "a",
  source: {},
  mirrored: new Map([[0, mirroredTo(100n)]]),
  internalEnd: () => 100n,
  loads: [[0n, 99n, 0n]],
  hive: [[0n, 0n, 100n, "700"]],
  deleted: [],
  redshift: [[0n, 0n, 100n, "700"]],
  retracted: [],
  deletions: 0n,
  ahead: 0,
  answer: () => undefined,
};

/** Every offset is a record, one a second since 1970. */
const everyOffset: SourceLog["count"] = (_, ranges) =>
  Promise.resolve(
    ranges.map(({ from, to }): CountedRange => {
      return { records: to - from, isExact: true, firstTimestampMs: Number(from) * 1_000 };
    }),
  );

function redshiftAnswers(sql: string, it: World) {
  if (/tweets_ranges/.test(sql)) {
    // Below the last offset everything is loaded, in one range.
    return rowsOf(it.loads.map(([at, last, dead]) => [at, "A", 0n, last + 1n, dead]));
  }
  if (/SELECT COUNT\(\*\) FROM "hybridge"."tweets_deletions"/.test(sql))
    return rowsOf([[it.deletions]]);
  if (/deleting_id/.test(sql)) return rowsOf(it.retracted);
  if (/SELECT "m", "p", "w"/.test(sql)) {
    const one = ["0".repeat(32), 0n, "2026-11-23 09:00:00.000"] as const;
    return rowsOf(Array.from({ length: it.ahead }, () => one));
  }
  return rowsOf(it.redshift);
}

/** Asks a gateway in that world. */
async function ask(change: Partial<World>, topic = "", sinceMs = 0n): Promise<ReconcileResponse> {
  const it = { ...world, ...change };
  const hive = fakeEngine("hive", ({ sql }) =>
    Promise.resolve(rowsOf(/SELECT DISTINCT/.test(sql) ? it.deleted : it.hive)),
  );
  const redshift = fakeEngine("redshift", async ({ sql }) => {
    // Whatever is asked here, a real Redshift has to take.
    assert.deepEqual(lintRedshiftSql(sql), []);
    return (await it.answer(sql)) ?? redshiftAnswers(sql, it);
  });
  const emit = () => undefined;
  const health = engineHealth([hive.target, redshift.target], emit);
  const log = { topicId: it.topicId, partitions: it.log };
  const sources = {
    hive: guardEngine(hive.target, 2, health, emit),
    redshift: guardEngine(redshift.target, 2, health, emit),
    source: it.source && { describe: () => Promise.resolve(log), count: everyOffset, ...it.source },
    positions: () => Promise.resolve(it.mirrored),
    internalEnds: () => Promise.resolve(it.internalEnd),
  };
  const time = { msMax: 120_000 };
  const services = [reconcileService({ sources, time, tables, topic: "hybrid" })];
  const config = readConfig(rpcSettings, {});
  await using server = await startRpcServer({ config, services, emit });
  const client = createClient(ReconcileServiceClient, server.address);
  try {
    const request = { topic, rangeSize: 0n, sinceMs };
    return await callUnary(client.reconcile.bind(client), request, { deadlineMs: 120_000 });
  } finally {
    client.close();
  }
}

/** Whatever there is: true is only ever said with the verdict EQUAL. */
const verdictOf = ({ verdict, reconciled, comparedEqual }: ReconcileResponse) => {
  assert.equal(reconciled, verdict === Verdict.EQUAL);
  if (reconciled) assert.ok(comparedEqual);
  return verdict;
};

test("both sides are compared, and a difference is told by its range", async () => {
  const same = await ask({});
  assert.equal(verdictOf(same), Verdict.EQUAL);
  assert.deepEqual([same.internalRows, same.externalRows, same.reasons], [100n, 100n, []]);
  const different = await ask({ redshift: [[0n, 0n, 100n, "701"]] }, "hybrid");
  assert.deepEqual([verdictOf(different), different.comparedEqual], [Verdict.DIFFERENT, false]);
  assert.deepEqual(
    different.differences.map(({ partition, firstOffset, lastOffset }) => [
      partition,
      firstOffset,
      lastOffset,
    ]),
    [[0, 0n, 99n]],
  );
});

test("partitions that were added and nobody follows are not reconciled", async () => {
  const log = new Map([0, 1, 2].map((partition) => [partition, logOf(100n)]));
  const found = await ask({
    log,
    internalEnd: (partition) => (partition === 0 ? 100n : undefined),
  });
  assert.deepEqual([verdictOf(found), found.comparedEqual], [Verdict.INCOMPLETE, true]);
  assert.deepEqual(
    [found.internalLack?.records, found.externalLack?.records, found.internalLack?.sinceMs],
    [200n, 200n, 0n],
  );
  assert.deepEqual(
    found.partitions.map(({ verdict }) => verdict),
    [Verdict.EQUAL, Verdict.INCOMPLETE, Verdict.INCOMPLETE],
  );
});

class Refused extends HybridgeError {
  readonly code = "REFUSED";
  readonly retry = "never";
}

test("a warehouse that never started lacks all there is, for as long as there is any", async () => {
  const pending: Sums = [[0n, -1n, 100n, "0"]];
  const internal = await ask({ internalEnd: undefined, redshift: pending });
  assert.equal(verdictOf(internal), Verdict.INCOMPLETE);
  assert.match(internal.reasons.join("\n"), /has warehouse-internal ever run/);
  assert.equal(internal.internalLack?.records, 100n);
  const answer = (sql: string) =>
    /tweets_ranges/.test(sql) ? Promise.reject(new Refused("no such table")) : undefined;
  const external = await ask({ answer, hive: pending });
  assert.equal(verdictOf(external), Verdict.INCOMPLETE);
  assert.match(external.reasons.join("\n"), /has warehouse-external ever run/);
  assert.equal(external.externalLack?.records, 100n);
  // It ran, and stopped: nothing is compared, and nothing is equal.
  const stopped = await ask({ loads: [], hive: pending, redshift: [] });
  assert.deepEqual([verdictOf(stopped), stopped.pendingRows], [Verdict.INCOMPLETE, 100n]);
  const halfway = await ask({ internalEnd: () => 40n });
  assert.deepEqual(halfway.internalLack, {
    records: 60n,
    exact: true,
    sinceMs: 40_000n,
    sinceKnown: true,
  });
});

test("without the source the sides are compared, and nothing is called reconciled", async () => {
  const unset = await ask({ source: undefined });
  assert.deepEqual([verdictOf(unset), unset.comparedEqual], [Verdict.INCOMPLETE, true]);
  assert.match(unset.reasons[0] ?? "", /source unknown, not reconciled: HYBRIDGE_SOURCE_BOOTSTRAP/);
  assert.equal(unset.partitions[0]?.sourceKnown, false);
  const describe = () => Promise.reject(new UnavailableError("no broker answers"));
  const away = await ask({ source: { describe } });
  assert.equal(verdictOf(away), Verdict.INCOMPLETE);
  assert.match(away.reasons[0] ?? "", /source unknown.*no broker answers/);
});

test("a source that does not count what is lacking leaves an upper bound", async () => {
  const count = () => Promise.reject(new UnavailableError("it took too long"));
  const found = await ask({ source: { count }, internalEnd: () => 40n });
  assert.equal(verdictOf(found), Verdict.INCOMPLETE);
  assert.deepEqual(found.internalLack, {
    records: 60n,
    exact: false,
    sinceMs: 0n,
    sinceKnown: false,
  });
});

test("markers behind the last record are nobody's lack", async () => {
  const log = new Map([[0, logOf(103n)]]);
  const count: SourceLog["count"] = (_, ranges) => {
    assert.deepEqual(ranges[0], { partition: 0, from: 100n, to: 103n });
    const none = { records: 0n, isExact: true, firstTimestampMs: undefined };
    return Promise.resolve(ranges.map(() => none));
  };
  assert.equal(verdictOf(await ask({ log, source: { count } })), Verdict.EQUAL);
});

test("an open transaction, a topic made anew and lost records are not passed over", async () => {
  const open = await ask({ log: new Map([[0, { ...logOf(100n), highWatermark: 130n }]]) });
  assert.match(open.reasons.join(), /a transaction is open at the source: up to 30 records/);
  assert.equal(verdictOf(open), Verdict.INCOMPLETE);
  const anew = await ask({ topicId: "b" });
  assert.match(anew.reasons.join(), /positions are of an earlier topic/);
  assert.equal(verdictOf(anew), Verdict.INCOMPLETE);
  const shorter = await ask({ log: new Map([[0, logOf(60n)]]) });
  assert.match(
    shorter.reasons.join(),
    /offset 99 was landed or mirrored, and the source ends at 60/,
  );
  assert.equal(verdictOf(shorter), Verdict.INCOMPLETE);
  const expired = await ask({
    log: new Map([[0, logOf(200n, 150n)]]),
    internalEnd: () => 100n,
  });
  assert.match(expired.reasons.join(), /offsets 100 to 149 were removed from the source/);
  assert.equal(verdictOf(expired), Verdict.INCOMPLETE);
});

test("the mirror says what the topic is called in the target", async () => {
  const asked: string[] = [];
  const answer = (sql: string) => void asked.push(sql);
  const mirrored = new Map([[0, mirroredTo(100n, "onprem.hybrid")]]);
  assert.equal(verdictOf(await ask({ mirrored, answer })), Verdict.EQUAL);
  assert.ok(asked.some((sql) => sql.includes(`"kafka_topic" = 'onprem.hybrid'`)));
  const log = new Map([0, 1].map((partition) => [partition, logOf(100n)]));
  const two = new Map([...mirrored, [1, mirroredTo(100n)] as const]);
  const mixed = await ask({ mirrored: two, log });
  assert.equal(verdictOf(mixed), Verdict.INCOMPLETE);
  assert.match(mixed.reasons.join(), /partition 1: the mirror's positions .* than onprem.hybrid/);
});

test("records that both sides have lost alike are not reconciled; dead letters are", async () => {
  const fewer: Sums = [[0n, 0n, 99n, "690"]];
  const lost = await ask({ hive: fewer, redshift: fewer });
  assert.deepEqual([verdictOf(lost), lost.comparedEqual], [Verdict.INCOMPLETE, true]);
  assert.match(lost.reasons.join(), /1 records of the source are rows on neither side/);
  const dead = await ask({ hive: fewer, redshift: fewer, loads: [[0n, 99n, 1n]] });
  assert.equal(verdictOf(dead), Verdict.EQUAL);
});

test("rows whose place is not known, and a bound in time, make it incomplete", async () => {
  const rows: Sums = [...world.redshift, [0n, -3n, 4n, "1"]];
  const unplaced = await ask({ redshift: rows });
  assert.match(unplaced.reasons.join(), /4 rows of Redshift stand behind what the mirror/);
  assert.deepEqual([verdictOf(unplaced), unplaced.externalPendingRows], [Verdict.INCOMPLETE, 4n]);
  const younger = await ask({ redshift: [...world.redshift, [0n, -4n, 4n, "1"]] });
  assert.equal(verdictOf(younger), Verdict.EQUAL);
  const bounded = await ask({}, "", 86_400_000n);
  assert.match(bounded.reasons.join(), /only rows since 1970-01-02T00:00:00.000Z/);
  assert.equal(verdictOf(bounded), Verdict.INCOMPLETE);
});

test("Redshift takes what is asked of it, with thousands of partitions and runs", async () => {
  const runs = Array.from({ length: 3_000 }, (_, index) => ({
    sourceOffset: BigInt(index * 12),
    targetOffset: BigInt(index * 11),
    count: 10n,
  }));
  const partitions = Array.from({ length: 3_000 }, (_, index) => index + 1);
  const mirrored = new Map([
    [0, { ...mirroredTo(0n), runs }],
    ...partitions.map((partition) => [partition, mirroredTo(100n)] as const),
  ]);
  const loads = [0, ...partitions].map((partition) => [BigInt(partition), 99n, 0n] as const);
  const found = await ask(
    { mirrored, loads, hive: [], redshift: [], deletions: 1n },
    "",
    86_400_000n,
  );
  assert.equal(verdictOf(found), Verdict.INCOMPLETE);
  // More reasons than these nobody reads.
  assert.match(found.reasons.at(-1) ?? "", /^and \d+ further reasons$/);
});

test("deleted posts are no differences, also when the two sides know of other deletions", async () => {
  const without: Sums = [[0n, 0n, 98n, "680"]];
  const gone: Sums = [[0n, 0n, 2n, "20"]];
  const found = await ask({ redshift: without, deleted: gone, deletions: 2n, ahead: 1 });
  assert.deepEqual([verdictOf(found), found.internalRows], [Verdict.EQUAL, 98n]);
  // Redshift removes the older ones within a day.
  const some: Sums = [[0n, 0n, 99n, "690"]];
  const retracted: Sums = [[0n, 0n, 1n, "10"]];
  const unswept = await ask({ redshift: some, deleted: gone, deletions: 2n, retracted });
  assert.deepEqual([verdictOf(unswept), unswept.externalRows], [Verdict.EQUAL, 98n]);
  const many = await ask({ redshift: without, deletions: 20_000n, ahead: 10_001 });
  assert.deepEqual([verdictOf(many), many.comparedEqual], [Verdict.INCOMPLETE, false]);
  assert.match(many.reasons.join(), /more than 10000 deletions/);
});

test("what Redshift loads while it is compared is compared anew, and thrice at most", async () => {
  let asked = 0;
  const loading = (times: number) => (sql: string) => {
    if (!/tweets_ranges/.test(sql)) return undefined;
    asked += 1;
    return Promise.resolve(rowsOf([[0n, "A", 0n, BigInt(Math.min(asked, times) + 1), 0n]]));
  };
  const differing: Partial<World> = { redshift: [[0n, 0n, 98n, "680"]], deletions: 2n };
  const settled = await ask({ ...differing, answer: loading(2) });
  assert.deepEqual([verdictOf(settled), asked], [Verdict.DIFFERENT, 4]);
  asked = 0;
  const never = await ask({ ...differing, answer: loading(1_000) });
  assert.deepEqual([verdictOf(never), never.differences, asked], [Verdict.INCOMPLETE, [], 6]);
  assert.match(never.reasons.join(), /Redshift loaded deletions each of the 3 times/);
});

test("a name that no topic has, and a topic that nobody knows, are errors", async () => {
  const failsWith = (status: string, reason: string) => (error: unknown) => {
    assert.ok(error instanceof RpcCallError);
    assert.deepEqual([error.status, error.reason], [status, reason]);
    return true;
  };
  await assert.rejects(ask({}, "a'b"), failsWith("INVALID_ARGUMENT", "SQL_PARAMETER"));
  await assert.rejects(ask({}, "", -1n), failsWith("INVALID_ARGUMENT", "INVALID_REQUEST"));
  await assert.rejects(
    ask({ source: undefined, mirrored: new Map() }),
    failsWith("UNAVAILABLE", "NOTHING_MIRRORED"),
  );
});

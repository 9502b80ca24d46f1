import assert from "node:assert/strict";
import { test } from "node:test";
import { createFollower, sweepStaging } from "../../src/index.ts";
import { memoryFollowingCatalog } from "../../src/testing/index.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/log/checkpoint-codec.ts";
import { CommitSource } from "../../src/log/commit-source.ts";
import { LogFold } from "../../src/log/fold.ts";
import { checkpointPath, numberOf } from "../../src/log/paths.ts";
import type { NumberedCommit } from "../../src/log/protocol.ts";
import { FaultWorld, signal, topic, type Process, type WorldOptions } from "./fault-world.ts";

const usual = {
  workers: 4,
  partitions: 5,
  commits: 250,
  faults: 0.06,
  deaths: 0.004,
  stops: 0.004,
  sleepCommits: 60,
};

for (const moves of [true, false]) {
  for (let seed = 1; seed <= 5; seed++) {
    test(`whatever befalls them, each offset is landed once (seed ${seed}, moves: ${moves})`, async () => {
      const world = await runAndJudge({ ...usual, seed, moves });
      const { deaths, stops, faults } = world.counts;
      assert.ok(deaths > 0 && stops > 0 && faults > 100, JSON.stringify(world.counts));
    });
  }

  test(`a process that sleeps over an archiving doubles nothing (moves: ${moves})`, async () => {
    const over = { fromCommits: 300, toCommits: 2_300 };
    const world = await runAndJudge({
      ...usual,
      ...{ seed: 11, moves, commits: 2_400, faults: 0.01, deaths: 0, stops: 0.0002 },
      // One has read the end of the log and creates its commit when it wakes; the other has
      // created it, and does not know what has become of it.
      sleepers: [
        { ...over, worker: 2, call: "list", path: "_log" },
        { ...over, worker: 3, call: "createAs", path: "_log" },
      ],
    });
    const asleep = world.told.filter(({ kind }) => kind === "asleep");
    assert.ok(asleep.length > 0, "nobody slept over an archiving");
  });
}

async function runAndJudge(options: WorldOptions): Promise<FaultWorld> {
  const world = new FaultWorld(options);
  await world.run();
  const judge = await world.start("judge", true);
  const catalog = memoryFollowingCatalog();
  await followToEnd(world, judge, catalog);
  const counted = catalog.table.commits;
  await followToEnd(world, judge, world.catalog);
  assert.deepEqual(numbersOf(world.catalog.table.commits), numbersOf(counted), "followers differ");
  judgeOffsets(judge, counted);
  judgeWhatWasTold(world, counted);
  judgeFiles(world, counted);
  await judgeFolds(world, judge);
  await judgeLeftovers(world, judge);
  return world;
}

async function followToEnd(
  world: FaultWorld,
  { log, store }: Process,
  catalog: ReturnType<typeof memoryFollowingCatalog>,
): Promise<void> {
  const over = new AbortController();
  const clock = {
    ...world.clock,
    sleep: () => {
      over.abort();
      return Promise.reject(over.signal.reason as Error);
    },
  };
  const options = { log, store, catalog, intervalMs: 1, clock, emit: () => undefined };
  await createFollower(options).run(over.signal);
  assert.equal(catalog.table.position?.number, log.state.tip);
}

/** Every offset that is covered is so by one action; and the state says what the commits say. */
function judgeOffsets({ log }: Process, commits: readonly NumberedCommit[]): void {
  const owners = new Map<string, number>();
  for (const { number, commit } of commits) {
    for (const action of commit.actions) {
      const ranges = action.do === "advance" ? action.ranges : action.do === "gap" ? [action] : [];
      for (const { partition, from, to } of ranges) {
        for (let offset = from; offset < to; offset++) {
          const key = `${partition} ${offset}`;
          assert.equal(owners.get(key), undefined, `${key} is in ${owners.get(key)} and ${number}`);
          owners.set(key, number);
        }
      }
    }
  }
  let covered = 0;
  for (const { partitions } of log.state.topics()) {
    for (const [partition, { ranges }] of partitions) {
      for (const { from, to } of ranges) {
        for (let offset = from; offset < to; offset++) {
          covered += 1;
          assert.ok(owners.has(`${partition} ${offset}`), `${partition} ${offset} is in no commit`);
        }
      }
      assert.equal(
        log.state.position(topic, partition).from,
        ranges[0]?.from === 0n ? ranges[0].to : 0n,
      );
    }
  }
  assert.equal(covered, owners.size);
}

/** What a writer was told is so. */
function judgeWhatWasTold(world: FaultWorld, commits: readonly NumberedCommit[]): void {
  const numbers = new Map(commits.map(({ number, commit }) => [commit.id, number]));
  assert.equal(numbers.size, commits.length, "an id is there twice");
  for (const { prepared, kind, number } of world.told) {
    if (kind === "asleep") continue;
    assert.equal(numbers.get(prepared.id), kind === "committed" ? number : undefined, kind);
  }
}

/** Files of commits that count are where they say, with their content. */
function judgeFiles(world: FaultWorld, commits: readonly NumberedCommit[]): void {
  for (const { number, commit } of commits) {
    const ranges = commit.actions.flatMap((action) =>
      action.do === "advance" ? action.ranges : [],
    );
    const content = ranges.map(({ partition, from, to }) => `${partition}:${from}-${to}`).join(" ");
    for (const action of commit.actions) {
      if (action.do === "quarantine") assert.fail(`commit ${number} set aside: ${action.what}`);
      if (action.do !== "add") continue;
      for (const { path } of action.files) {
        assert.equal(world.landing.tree.read(path)?.toString(), content, `${path} of ${number}`);
      }
    }
  }
}

/** From the start and from every checkpoint, and in every process, the state is the same. */
async function judgeFolds(world: FaultWorld, { log, store }: Process): Promise<void> {
  const source = new CommitSource(store, log.state.log);
  const { tip } = log.state;
  const foldOn = async (begin: LogFold): Promise<string> => {
    for await (const { number, commit } of source.read(begin.folded.number + 1, tip, signal)) {
      begin.apply(number, commit);
    }
    return encodeCheckpoint(begin);
  };
  let whole: string | undefined;
  for await (const { commit } of source.read(0, 0, signal)) {
    whole = await foldOn(LogFold.found(commit, "commit 0"));
  }
  const page = await store.list("_log/checkpoints", "", signal);
  assert.ok(page.names.length > 0, "there is no checkpoint");
  for (const name of [page.names[0], page.names.at(-1)]) {
    if (name === undefined) continue;
    const bytes = await store.read(checkpointPath(numberOf(name) ?? -1), signal);
    assert.ok(bytes);
    assert.equal(await foldOn(decodeCheckpoint(bytes, name)), whole, `from ${name}`);
  }
  for (const { store: other, log: own } of world.processes) {
    if (own === log) continue;
    const state = await own.refresh(signal).then(
      () => own.state,
      () => undefined,
    );
    if (!state) continue;
    assert.equal(state.tip, tip);
    assert.deepEqual(state.counters, log.state.counters);
    assert.deepEqual([...state.topics()], [...log.state.topics()]);
    assert.ok(other.counts.calls > 0);
  }
}

/** Two sweeps later nothing is left of the dead. */
async function judgeLeftovers(world: FaultWorld, { log, store }: Process): Promise<void> {
  for (let sweep = 0; sweep < 2; sweep++) {
    world.later(3 * 24 * 3_600_000);
    await sweepStaging(log, { store, emit: () => undefined, clock: world.clock }, signal);
  }
  const page = await store.list("_staging", "", signal);
  assert.deepEqual(page.names, []);
  await log.maintain(signal);
}

function numbersOf(commits: readonly NumberedCommit[]): number[] {
  return commits.map(({ number }) => number);
}

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { countRecords, ensureTopic } from "@hybridge/kafka";
import {
  buildBatch,
  Cluster,
  encodeRecords,
  produceApi,
  readProduce,
  writeProduce,
} from "@hybridge/kafka/raw";
import { startPair, within } from "./harness.ts";
import { hasCaughtUp } from "./mirror-process.ts";

// What a mirror may need when it has very much to do and the target takes nothing.

const TOPICS = Array.from({ length: 4 }, (_, index) => `many-${index}`);
const PARTITIONS = 250;
const RECORDS = 10;
const RECORD_BYTES = 12_000;
/** Shorter than the mirror's time-out for a produce request: what it holds, it keeps on holding. */
const STALL_MS = 10_000;
/** A status of a thousand partitions takes memory too: this is not about asking. */
const POLL_MS = 1_000;
const PEAK_MIB_MAX = 256;
/** Partitions that are filled with one request. */
const AT_ONCE = 10;
const NOBODY = { producerId: -1n, producerEpoch: -1, baseSequence: -1 } as const;

const pair = await startPair("mirror-limits-it", {
  source: { heapMb: 512 },
  // Its sleep is not to cost it the leadership: then nothing would be held back any more.
  target: { heapMb: 512, settings: { "broker.session.timeout.ms": "30000" } },
});
const { brokers, source, target, start, assertSame } = pair;
after(() => pair[Symbol.asyncDispose]());

test("a thousand partitions and a stalled target stay within 256 MiB, and everything arrives", async (t) => {
  for (const topic of TOPICS)
    await ensureTopic(source, { topic, partitions: PARTITIONS }, within());
  await fillAll(0);
  const all = BigInt(TOPICS.length * PARTITIONS * RECORDS);

  await using mirror = start("many-.*");
  // Once while partitions are being taken over, once when all of them have something to send.
  assert.ok(await mirror.until(({ records }) => records > all / 20n, POLL_MS), mirror.log());
  await stallTarget(() => pause(STALL_MS));
  const takingOver = memoryOf(mirror.pid);
  assert.ok(await mirror.until(hasCaughtUp(endsAfter(1)), POLL_MS), mirror.log());
  await stallTarget(() => Promise.all([fillAll(1), pause(STALL_MS)]));
  const full = memoryOf(mirror.pid);
  assert.ok(await mirror.until(hasCaughtUp(endsAfter(2)), POLL_MS), mirror.log());
  const atEnd = memoryOf(mirror.pid);

  const megabytes = Math.round((Number(all) * 2 * RECORD_BYTES) / 1e6);
  t.diagnostic(
    `${megabytes} MB in ${TOPICS.length * PARTITIONS} partitions: ` +
      `${takingOver.nowMib} and ${full.nowMib} MiB when the target stood still, ${atEnd.peakMib} MiB at most`,
  );
  const each = BigInt(PARTITIONS * RECORDS * 2);
  for (const topic of TOPICS)
    assert.equal(await countRecords(target, topic, within()), each, topic);
  await assertSame(TOPICS[1] ?? "");
  assert.ok(atEnd.peakMib <= PEAK_MIB_MAX, `${atEnd.peakMib} MiB`);
});

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function stallTarget(meanwhile: () => Promise<unknown>): Promise<void> {
  await brokers.target.kill("SIGSTOP");
  await meanwhile();
  await brokers.target.kill("SIGCONT");
}

/** Where the source ends when every partition was filled so often. */
function endsAfter(rounds: number): Map<string, Map<number, bigint>> {
  const end = BigInt(RECORDS * rounds);
  const ends = Array.from({ length: PARTITIONS }, (_, index) => [index, end] as const);
  return new Map(TOPICS.map((topic) => [topic, new Map(ends)]));
}

/** One large batch for every partition, many partitions in one request. */
async function fillAll(round: number): Promise<void> {
  await using cluster = new Cluster(source);
  for (const topic of TOPICS) {
    let left = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    while (left.length > 0) {
      const now = left.slice(0, AT_ONCE);
      const answers = await cluster.askLeader(
        { topic, partition: now[0] ?? 0 },
        produceApi,
        () =>
          writeProduce(
            now.map((partition) => ({
              topic,
              partition,
              batch: batchFor(`${topic}/${partition}/${round}`),
            })),
            30_000,
          ),
        readProduce,
        within(),
      );
      // A partition that is new may have no leader yet.
      const refused = answers.filter(({ error }) => error !== 0).map(({ partition }) => partition);
      left = [...left.slice(AT_ONCE), ...refused];
      if (refused.length > 0) await pause(100);
    }
  }
}

/** Records that no other batch has. */
function batchFor(name: string): Buffer {
  const timestampMs = 1_700_000_000_000;
  const records = Array.from({ length: RECORDS }, (_, index) => {
    const value = Buffer.alloc(RECORD_BYTES, `${name}/${index} `);
    return { key: null, value, headers: [], timestampMs };
  });
  return buildBatch(encodeRecords(records, timestampMs), {
    ...NOBODY,
    codec: 0,
    count: records.length,
    baseTimestamp: BigInt(timestampMs),
    maxTimestamp: BigInt(timestampMs),
  });
}

/** What the system says about a process: resident now, and the most that it ever was. */
function memoryOf(pid: number): { readonly nowMib: number; readonly peakMib: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024);
  return { nowMib: mib("VmRSS"), peakMib: mib("VmHWM") };
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../src/testing/workload.ts";
import { Batch, buildBatch } from "../src/wire/batch.ts";
import { makeCommittedFilter, type AbortedTransaction } from "../src/wire/committed.ts";
import { encodeRecords } from "../src/wire/record.ts";

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

function batch(offset: bigint, producerId: bigint, attributes: number, marker?: number): Batch {
  const key = Buffer.alloc(4);
  key.writeInt16BE(marker ?? 0, 2);
  const record = { key, value: Buffer.alloc(6), headers: [], timestampMs: 1 };
  const bytes = buildBatch(encodeRecords([record], 1), {
    producerId,
    producerEpoch: 0,
    baseSequence: 0,
    codec: attributes,
    count: 1,
    baseTimestamp: 1n,
    maxTimestamp: 1n,
  });
  bytes.writeBigInt64BE(offset, 0);
  return new Batch(bytes);
}

test("markers are never data, and non-transactional batches always are", () => {
  const filter = makeCommittedFilter([]);
  assert.equal(filter(batch(0n, -1n, 0)), true);
  assert.equal(filter(batch(1n, 5n, TRANSACTIONAL)), true);
  assert.equal(filter(batch(2n, 5n, TRANSACTIONAL | CONTROL, 1)), false);
});

test("overlapping transactions of several producers are told apart", () => {
  // The reference keeps, per producer, what is open, and decides at the marker.
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const log: Batch[] = [];
    const aborted: AbortedTransaction[] = [];
    const expected = new Set<bigint>();
    const open = new Map<bigint, bigint[]>();
    for (let offset = 0n; offset < 40n; offset++) {
      const producer = BigInt(Math.floor(random() * 4));
      const pending = open.get(producer);
      if (random() < 0.2) {
        log.push(batch(offset, producer, 0));
        expected.add(offset);
      } else if (pending && random() < 0.4) {
        const isCommit = random() < 0.5;
        log.push(batch(offset, producer, TRANSACTIONAL | CONTROL, isCommit ? 1 : 0));
        const [firstOffset = 0n] = pending;
        if (isCommit) for (const item of pending) expected.add(item);
        else aborted.push({ producerId: producer, firstOffset });
        open.delete(producer);
      } else {
        log.push(batch(offset, producer, TRANSACTIONAL));
        open.set(producer, [...(pending ?? []), offset]);
      }
    }
    // What is open at the end is above the last stable offset: a broker would not send it.
    const undecided = new Set([...open.values()].flat());
    const filter = makeCommittedFilter(aborted);
    const kept = log.filter(filter).map(({ baseOffset }) => baseOffset);
    const visible = kept.filter((offset) => !undecided.has(offset));
    assert.deepEqual(new Set(visible), expected, `seed ${seed}`);
  }
});

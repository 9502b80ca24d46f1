import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startClusters } from "./mirror/clusters.ts";
import { runSeed } from "./mirror/run.ts";
import { describeOutcome } from "./runs.ts";

// Always the same seeds, so that a failure here is one for everybody. CI runs twenty of them, and
// new ones are tried by `npm run fault -- mirror`.
const FIRST_SEED = 1_000;
const RUNS = 3;

const clusters = await startClusters();
after(() => clusters[Symbol.asyncDispose]());

// Two at a time: each is judged by itself, and suffers from the other's broken brokers too.
describe("whatever breaks, the target holds what the source holds", { concurrency: 2 }, () => {
  for (let run = 0; run < RUNS; run++) {
    test(`seed ${FIRST_SEED + run}`, async (t) => {
      const outcome = await runSeed(clusters, FIRST_SEED + run);
      t.diagnostic(describeOutcome(outcome));
      if (outcome.failure !== undefined) clusters.keep();
      assert.equal(outcome.failure, undefined, `${describeOutcome(outcome)}\n${clusters.dir}`);
    });
  }
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startComponents } from "./landing/components.ts";
import { runSeed } from "./landing/run.ts";
import { describeOutcome } from "./runs.ts";

// Always the same seeds, so that a failure here is one for everybody. CI runs twenty of them, and
// new ones are tried by `npm run fault -- landing`.
const FIRST_SEED = 2_000;
const RUNS = 3;

const components = await startComponents();
after(() => components[Symbol.asyncDispose]());

describe("whatever breaks, HDFS and Hive hold each record once", () => {
  for (let run = 0; run < RUNS; run++) {
    test(`seed ${FIRST_SEED + run}`, async (t) => {
      const outcome = await runSeed(components, FIRST_SEED + run);
      t.diagnostic(describeOutcome(outcome));
      if (outcome.failure !== undefined) components.keep();
      assert.equal(outcome.failure, undefined, `${describeOutcome(outcome)}\n${components.dir}`);
    });
  }
});

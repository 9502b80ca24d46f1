// npm run guard -- --statements 1000 --seed 1 [--engine hive]
// Generates that many statements for each engine, sends them through the guard, and runs what
// passes on real engines under watches. Ends with "N passed, N failed".
import { parseArgs } from "node:util";
import type fc from "fast-check";
import type { Engine } from "@hybridge/query";
import { startHiveStage } from "./hive-stage.ts";
import { runGuardOracle } from "./oracle.ts";
import { startRedshiftStage } from "./redshift-stage.ts";
import { describeReport } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { Statement } from "./statement.ts";
import { hiveStatements, redshiftStatements } from "./statements.ts";

const HOUR_MS = 3_600_000;

const { values } = parseArgs({
  options: {
    statements: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    engine: { type: "string", multiple: true, default: ["hive", "redshift"] },
  },
});

const subjects: Readonly<Record<Engine, () => Promise<[Stage, fc.Arbitrary<Statement>]>>> = {
  async hive() {
    const stage = await startHiveStage(AbortSignal.timeout(HOUR_MS));
    return [stage, hiveStatements(stage.targets)];
  },
  async redshift() {
    const stage = await startRedshiftStage(AbortSignal.timeout(HOUR_MS));
    return [stage, redshiftStatements(stage.targets)];
  },
};

let passed = 0;
let failed = 0;
for (const engine of ["hive", "redshift"] as const) {
  if (!values.engine.includes(engine)) continue;
  await judge(engine);
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function judge(engine: Engine): Promise<void> {
  const started = performance.now();
  const [opened, statements] = await subjects[engine]();
  await using stage = opened;
  const [count, seed] = [Number(values.statements), Number(values.seed)];
  const report = await runGuardOracle({
    stage,
    statements,
    count,
    seed,
    onProgress: ({ judged, failures }) =>
      process.stdout.write(`${engine}: ${judged} of ${count}, ${failures.length} failures\n`),
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stdout.write(
    `${describeReport(engine, report)}\n${engine}: seed ${seed}, ${seconds} s\n`,
  );
  failed += report.failures.length;
  passed += Math.max(0, report.judged - report.failures.length);
}

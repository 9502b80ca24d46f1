import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ReconcileResponse,
  Verdict,
} from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { describeReconciliation } from "../src/run/samples.ts";

const lack = { records: 1_200n, exact: true, sinceMs: 1_795_690_845_000n, sinceKnown: true };
const answer = (given: Partial<ReconcileResponse>) =>
  describeReconciliation(ReconcileResponse.fromPartial({ externalRows: 5_000n, ...given }));

test("a reconciliation is told as what it is, and no more", () => {
  const reconciled = answer({ reconciled: true, comparedEqual: true, verdict: Verdict.EQUAL });
  assert.equal(reconciled, "Reconciled: HDFS and Redshift hold the same 5,000 rows");
  const behind = answer({ comparedEqual: true, verdict: Verdict.INCOMPLETE, externalLack: lack });
  assert.equal(
    behind,
    "The 5,000 rows that both sides show are the same; Redshift lacks 1,200 since 2026-11-26T11:00:45Z",
  );
  const counted = { ...lack, exact: false, sinceKnown: false };
  assert.match(answer({ comparedEqual: true, internalLack: counted }), /Hive lacks up to 1,200$/);
  const reasons = ["source unknown, not reconciled: no broker answers"];
  assert.equal(
    answer({ comparedEqual: true, verdict: Verdict.INCOMPLETE, reasons }),
    `The 5,000 rows that both sides show are the same; not everything was compared\n  ${reasons[0]}`,
  );
});

test("ranges that differ come first, and not all of them", () => {
  const range = { partition: 1, firstOffset: 10n, lastOffset: 19n, internalRows: 10n };
  const differences = Array.from({ length: 12 }, () => ({ ...range, externalRows: 9n }));
  const [headline, ...lines] = answer({
    verdict: Verdict.DIFFERENT,
    differences: ReconcileResponse.fromPartial({ differences }).differences,
  }).split("\n");
  assert.equal(headline, "NOT reconciled: 12 ranges of source offsets differ");
  assert.equal(lines.length, 10);
  assert.equal(lines[0], "  partition 1, offsets 10-19: HDFS 10 rows, Redshift 9 rows");
});

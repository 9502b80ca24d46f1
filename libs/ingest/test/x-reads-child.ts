// Counts posts as the feed of X does, and writes down each that it would then hand on, until it has so
// many or is killed: node x-reads-child.ts FOLDER COUNT.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@hybridge/core";
import { ReadBudget } from "../src/feeds/x/read-budget.ts";
import { readsFile } from "../src/feeds/x/reads-file.ts";

const [dir = "", wanted = "0"] = process.argv.slice(2);
const store = readsFile(join(dir, "reads.json"));
const budget = await ReadBudget.open({ readsMax: 1_000, resetDay: 1, store, clock: systemClock });
for (let count = 0; count < Number(wanted) && budget.left !== 0; count++) {
  await budget.count(1);
  appendFileSync(join(dir, "handed-on"), "x\n");
}
await budget.close();

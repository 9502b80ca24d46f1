// Keeps numbers in a spool, hands them on and acknowledges them, until it has so many or is killed:
// node spool-child.ts FOLDER COUNT. What was handed on is appended to FOLDER/delivered, what was told to be
// kept to FOLDER/told.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { openSpool } from "../src/spool/spool.ts";
import { entryOf } from "./spool-entries.ts";

const [dir = "", wanted = "0"] = process.argv.slice(2);
const count = Number(wanted);
const { signal } = new AbortController();
await using spool = await openSpool({
  dir: join(dir, "spool"),
  bytesMax: 60_000,
  segmentBytes: 4_000,
  syncMs: 0,
  windowPosts: 100,
  onWait: () => undefined,
  onTorn: () => undefined,
});

async function hand(): Promise<void> {
  const from = spool.acknowledged()?.ordinal ?? 0;
  for await (const { records } of spool.read(from, signal)) {
    const lines = records.map(({ ordinal, key }) => `${ordinal} ${key.toString()}\n`);
    appendFileSync(join(dir, "delivered"), lines.join(""));
    const ordinal = (records.at(-1)?.ordinal ?? 0) + 1;
    await spool.acknowledge({ topic: "t", ordinal, partitions: 1, places: [] });
  }
}

const handing = hand();
let next = Number(spool.partsOf("numbers").get("")?.cursor ?? "0");
while (next < count) {
  // Some come again, as after a reconnect: each is kept once.
  const first = Math.max(0, next - 5);
  await spool.append(entryOf(spool, first, next + 10), signal);
  next += 10;
  appendFileSync(join(dir, "told"), `${next}\n`);
}
spool.finish();
await handing;

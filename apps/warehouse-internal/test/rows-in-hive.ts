import assert from "node:assert/strict";
import { openHive, type Hive } from "@hybridge/hive";

/** Every row that Hive shows: `partition/offset md5 of the value`. */
export async function rowsInHive(address: string, signal: AbortSignal): Promise<string[]> {
  const [host = "", port = ""] = address.split(":");
  await using engine = openHive({ host, port: Number(port) });
  const sql =
    "SELECT concat(kafka_partition, '/', kafka_offset, ' ', raw_md5), md5(coalesce(raw, '')) = raw_md5 FROM hybridge.tweets";
  await using result = await engine.execute(sql, { signal });
  const rows: string[] = [];
  for await (const { columns } of result.batches) {
    const [texts, same] = columns;
    assert.ok(texts?.list === "strings" && same?.list === "bools");
    assert.ok(same.values.every(Boolean), "Hive has other bytes than Kafka had");
    rows.push(...texts.values);
  }
  assert.equal(await countInHive(engine, signal), BigInt(rows.length));
  return rows.sort();
}

/** Hive may answer a bare count from statistics: they must know files that came after them. */
async function countInHive(engine: Hive, signal: AbortSignal): Promise<bigint | undefined> {
  await using result = await engine.execute("SELECT count(*) FROM hybridge.tweets", { signal });
  let count: bigint | undefined;
  for await (const { columns } of result.batches) {
    if (columns[0]?.list === "int64s") count ??= columns[0].values[0];
  }
  return count;
}

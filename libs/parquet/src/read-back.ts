import type { DuckDBConnection } from "@duckdb/node-api";
import type { EncodedAdvance, EncodedRange, FlushFile } from "@hybridge/landing";
import { quoted, runStatement } from "./duckdb.ts";
import { ParquetError } from "./errors.ts";
import { keyOf, type RowBuffer } from "./row-buffer.ts";
import type { WrittenHour } from "./write-hours.ts";

/** What one file was found to hold of one partition. */
export interface FoundRange {
  readonly localPath: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly first: bigint;
  readonly last: bigint;
  readonly rows: number;
  readonly md5Sum: bigint;
}

/** Files that one statement reads; each is open while it does. */
const FILES_AT_ONCE = 256;

/** Reads coordinates and checksums of files: what they really hold. */
export async function readBack(
  connection: DuckDBConnection,
  files: readonly WrittenHour[],
  signal: AbortSignal,
): Promise<FoundRange[]> {
  const found: FoundRange[] = [];
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const paths = files.slice(at, at + FILES_AT_ONCE).map(({ localPath }) => quoted(localPath));
    // A sum of BIGINTs is a HUGEINT: exact, with 60 bits a row.
    const sql =
      `SELECT filename, kafka_topic, kafka_topic_id, kafka_partition, min(kafka_offset) AS first, ` +
      `max(kafka_offset) AS last, count(*)::INTEGER AS rows, ` +
      `sum(('0x' || raw_md5[:15])::BIGINT)::VARCHAR AS md5_sum ` +
      `FROM read_parquet([${paths.join(", ")}], filename = true, hive_partitioning = false) GROUP BY ALL`;
    for (const row of await runStatement(
      connection,
      sql,
      `read ${paths[0]} and others back`,
      signal,
    )) {
      found.push({
        localPath: String(row["filename"]),
        topic: String(row["kafka_topic"]),
        topicId: String(row["kafka_topic_id"]),
        partition: Number(row["kafka_partition"]),
        first: row["first"] as bigint,
        last: row["last"] as bigint,
        rows: Number(row["rows"]),
        md5Sum: BigInt(String(row["md5_sum"])),
      });
    }
  }
  return found;
}

/** Compares what files hold with what went in, and says whose it is. */
export function accountOf(
  buffer: RowBuffer,
  isWanted: readonly boolean[],
  written: readonly WrittenHour[],
  found: readonly FoundRange[],
): { readonly files: readonly FlushFile[]; readonly partitions: readonly EncodedAdvance[] } {
  const sums = new Map<string, { rows: number; md5Sum: bigint }>();
  const ranges = new Map<string, EncodedRange[]>();
  for (const { localPath, md5Sum, ...range } of found) {
    ranges.set(localPath, [...(ranges.get(localPath) ?? []), range]);
    const sum = sums.get(keyOf(range)) ?? { rows: 0, md5Sum: 0n };
    sum.rows += range.rows;
    sum.md5Sum += md5Sum;
    sums.set(keyOf(range), sum);
  }
  const files = written.map((file) => {
    const own = (ranges.get(file.localPath) ?? []).sort((a, b) => a.partition - b.partition);
    const rows = own.reduce((sum, each) => sum + each.rows, 0);
    if (rows !== file.rows) throw differs(`${file.localPath} has ${rows} rows`, file.rows);
    return { ...file, ranges: own };
  });
  return { files, partitions: advancesOf(buffer, isWanted, sums) };
}

function advancesOf(
  buffer: RowBuffer,
  isWanted: readonly boolean[],
  sums: ReadonlyMap<string, { readonly rows: number; readonly md5Sum: bigint }>,
): EncodedAdvance[] {
  return buffer.partitions.flatMap((each, index) => {
    if (isWanted[index] !== true) return [];
    const { topic, topicId, partition, rows } = each;
    const sum = sums.get(keyOf(each)) ?? { rows: 0, md5Sum: 0n };
    if (sum.rows !== rows) throw differs(`files have ${sum.rows} rows of ${keyOf(each)}`, rows);
    const deadLetters = buffer.deadLetters.filter(([owner]) => owner === index).length;
    return { topic, topicId, partition, rows, deadLetters, md5Sum: sum.md5Sum };
  });
}

function differs(what: string, wanted: number): ParquetError {
  return new ParquetError(`${what}, and ${wanted} went in: nothing is kept of this flush`);
}

// The spool alone: keeps posts and reads them again, as ingest does, without Kafka; prints the seconds.
// node spool-alone.ts FOLDER POSTS
import { openSpool } from "@hybridge/ingest";
import { postAt } from "@hybridge/tweet";

/** As a feed appends them. */
const BATCH = 1_000;
/** Made before, since making posts is not what is measured. */
const MADE = 20_000;

const [dir = "", wanted = "0"] = process.argv.slice(2);
const posts = Number(wanted);
const { signal } = new AbortController();
const made = Array.from({ length: MADE }, (_, index) => {
  const { id, json, schema } = postAt(1, index, 0);
  return { key: Buffer.from(id), value: Buffer.from(json), schema };
});
await using spool = await openSpool({
  dir,
  bytesMax: 1_073_741_824,
  syncMs: 50,
  onWait: () => undefined,
  onTorn: () => undefined,
});

async function readAll(): Promise<void> {
  let acknowledged = 0;
  let read = 0;
  for await (const { records } of spool.read(0, signal)) {
    read += records.length;
    if (read - acknowledged < 50_000 && read < posts) continue;
    acknowledged = read;
    await spool.acknowledge({ topic: "bench", ordinal: read, partitions: 6, places: [] });
  }
  if (read !== posts) throw new Error(`read ${read} of ${posts} posts`);
}

function appendFrom(first: number): Promise<number | undefined> {
  const batch = Array.from({ length: Math.min(BATCH, posts - first) }, (_, at) => {
    const post = made[(first + at) % MADE];
    if (!post) throw new RangeError("no post");
    const [hashHigh, hashLow] = spool.hashOf(`post ${first + at} `);
    return { ...post, op: "upsert" as const, origin: "", hashHigh, hashLow };
  });
  const counts = { posts: first, deletions: 0, duplicates: 0, unreadable: 0, others: {} };
  const meta = {
    feed: "bench",
    source: "replay",
    part: "",
    cursor: String(first),
    partitions: 0,
    counts,
  };
  return spool.append(
    {
      wait: true,
      bytes: batch.reduce((sum, { value }) => sum + value.length, 0),
      build: (isNew) => ({
        meta,
        records: batch.filter(({ hashHigh, hashLow }) => isNew(hashHigh, hashLow)),
      }),
    },
    signal,
  );
}

const began = performance.now();
const reading = readAll();
for (let first = 0; first < posts; first += BATCH) await appendFrom(first);
spool.finish();
await reading;
process.stdout.write(`${(performance.now() - began) / 1000}\n`);
// Who started this looks at /proc while the process is still there.
await new Promise((resolve) => process.stdin.once("data", resolve));

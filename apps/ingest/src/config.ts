import { readConfig, setting, type Config, type Settings } from "@hybridge/core";
import { liveSettings } from "@hybridge/ingest";
import { clusterSettings } from "@hybridge/kafka";
import { rpcSettings } from "@hybridge/rpc";
import { tracingSettings } from "@hybridge/tracing";
import { seedMax } from "@hybridge/tweet";
import { z } from "zod";

/** The feeds that can be chosen. */
const feedNames = ["replay", "bluesky", "x", "push"] as const;
export type FeedName = (typeof feedNames)[number];

/** The settings of ingest; docs/settings.md derives from them. */
export const settings = {
  ...clusterSettings("HYBRIDGE_SOURCE", "the source cluster"),
  HYBRIDGE_TOPIC: { schema: setting.text("hybrid"), doc: "topic that posts go to" },
  HYBRIDGE_TOPIC_PARTITIONS: {
    schema: setting.integer(1, 10_000, 6),
    doc: "partitions that the topic is made with; a topic that exists is used as it is",
  },
  HYBRIDGE_COMPRESSION: {
    schema: setting.oneOf(["none", "gzip", "snappy", "lz4", "zstd"], "lz4"),
    doc: "compression of the record batches",
  },
  HYBRIDGE_LINGER_MS: {
    schema: setting.integer(0, 5_000, 20),
    doc: "how long a post waits for others to share its batch, in ms",
  },
  HYBRIDGE_BATCH_BYTES_MAX: {
    schema: setting.integer(16_384, 1_000_000, 524_288),
    doc: "bytes of posts in a batch at most; one larger post travels alone",
  },
  HYBRIDGE_IN_FLIGHT_BYTES_MAX: {
    schema: setting.integer(1_048_576, 1_073_741_824, 16_777_216),
    doc: "bytes of posts that are on their way to Kafka at most; the others wait in the spool",
  },
  HYBRIDGE_POST_BYTES_MAX: {
    // Below the broker's default for a batch (max.message.bytes, 1,048,588, headers included) and
    // below what a row of Redshift holds (VARBYTE, 1,024,000).
    schema: setting.integer(1_024, 16_000_000, 1_000_000),
    doc: "bytes of a post at most; a larger one becomes a dead letter (the topic's max.message.bytes must allow it)",
  },
  HYBRIDGE_SPOOL_DIR: {
    schema: setting.text(".hybridge/spool"),
    doc: "folder of the spool (one below it for each topic): what was accepted and is not in Kafka yet; each process needs its own",
  },
  HYBRIDGE_SPOOL_BYTES_MAX: {
    // Room for the largest post many times over; a file system rarely has more than 16 TiB.
    schema: setting.integer(67_108_864, 17_592_186_044_416, 1_073_741_824),
    doc: "bytes of the spool at most; when it is full, feeds that can wait do, and others lose posts, which is told",
  },
  HYBRIDGE_SPOOL_SYNC_MS: {
    schema: setting.integer(0, 10_000, 50),
    doc: "how often the spool is forced to the disk, in ms: what a power cut (not a crash of the process) costs at most, and how long a post waits for it before it is published; 0 for each batch",
  },
  HYBRIDGE_DEAD_LETTER_DIR: {
    schema: setting.text(".hybridge/dead-letters"),
    doc: "folder of ingest.ndjson, where everything goes that cannot be a record",
  },
  HYBRIDGE_FEEDS: {
    schema: z
      .string()
      .prefault("replay")
      .transform((text) => [...new Set(text.split(",").map((part) => part.trim()))])
      .pipe(z.array(z.enum(feedNames, { error: `must be some of ${feedNames.join(", ")}` }))),
    doc: `where posts come from, with commas: ${feedNames.join(", ")}; several run at once`,
  },
  ...liveSettings,
  HYBRIDGE_PUSH_HOST: {
    schema: setting.text("127.0.0.1"),
    doc: "address that the feed push listens on; it speaks plain HTTP, so another one belongs behind a proxy with TLS",
  },
  HYBRIDGE_PUSH_PORT: {
    schema: setting.port(7180),
    doc: "port of the feed push: POST /posts, a post a line; 0 lets the system choose",
  },
  HYBRIDGE_PUSH_TOKEN: {
    schema: setting.optional(),
    doc: "what the feed push wants in the header authorization, behind Bearer",
    secret: true,
  },
  HYBRIDGE_PUSH_BYTES_MAX: {
    schema: setting.integer(1_024, 1_073_741_824, 67_108_864),
    doc: "bytes of a request of the feed push at most",
  },
  HYBRIDGE_REPLAY_FILES: {
    schema: z
      .string()
      .prefault("")
      .transform((text) => text.split(",").map((part) => part.trim()))
      .transform((parts) => parts.filter((part) => part !== "")),
    doc: "files to replay, with commas, folders (all files in them) and - for the standard input: a post a line, lists, pages of the API of X, parts of a personal archive; as they are or packed by gzip or zstd (their content decides, not their names)",
  },
  HYBRIDGE_REPLAY_NEXT: {
    schema: setting.oneOf(["generate", "end", "loop", "follow"], "generate"),
    doc: "when the files are read: generated posts, the end, the files again (each post as another version), or what is added to files and folders, as tail -F",
  },
  HYBRIDGE_REPLAY_POSTS: {
    schema: setting.integer(0, 1_000_000_000_000, 0),
    doc: "records in all: those of the files (posts and deletions), then generated posts; 0 for no end",
  },
  HYBRIDGE_REPLAY_RATE: {
    schema: setting.integer(0, 1_000_000, 100),
    doc: "posts per second; 0 for as fast as it goes",
  },
  HYBRIDGE_REPLAY_SEED: {
    schema: setting.integer(0, seedMax, 1),
    doc: "which endless sequence the generator gives",
  },
  HYBRIDGE_REPLAY_EPOCH: {
    schema: z
      .string()
      .refine((text) => /^\d{4}-\d\d-\d\dT/.test(text) && Number.isFinite(Date.parse(text)), {
        error: "must be an ISO time such as 2026-01-01T00:00:00Z",
      })
      .prefault("2026-01-01T00:00:00Z"),
    doc: "created_at of the first generated post",
  },
  ...rpcSettings,
  ...tracingSettings,
} as const satisfies Settings;

export type IngestConfig = Config<typeof settings>;

/** @throws ConfigError with every problem at once */
export function readIngestConfig(): IngestConfig {
  return readConfig(settings, process.env);
}

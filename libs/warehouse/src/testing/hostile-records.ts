import { createHash } from "node:crypto";
import { openFencedWriter, type ClusterOptions, type RecordToSend } from "@hybridge/kafka";
import { TOPIC, type Written } from "./posts.ts";

/** What becomes of a record: a row; a dead letter; or a row that Redshift does not keep. */
type Fate = "rows" | "bad" | "gone";

const AT = Date.UTC(2026, 10, 23, 9, 59, 58);
const text = (value: string) => Buffer.from(value);

function record(
  value: string | Buffer | null,
  more: Partial<Omit<RecordToSend, "value">> = {},
): RecordToSend {
  const bytes = typeof value === "string" ? text(value) : value;
  return { key: text("k"), headers: [], timestampMs: AT, ...more, value: bytes };
}

function nested(depth: number): string {
  return `{"n":1234567890123456,"b":${"[".repeat(depth)}${"]".repeat(depth)}}`;
}

function post(id: string, more = ""): string {
  return `{"id_str":"${id}","text":"${id}","created_at":"Mon Nov 23 09:10:11 +0000 2026"${more}}`;
}

const like =
  '{"did":"did:plc:a","time_us":1767409065345616,"kind":"commit","commit":{"operation":"create",' +
  '"collection":"app.bsky.feed.like","rkey":"r","record":{"$type":"app.bsky.feed.like"}}}';
const accountGone =
  '{"did":"did:plc:gone","time_us":1767409065345616,"kind":"account",' +
  '"account":{"active":false,"status":"deleted"}}';

/** Records that some system or other choked on, and what is right for each. */
const hostile: readonly (readonly [Fate, RecordToSend])[] = [
  ["bad", record(nested(4_000))],
  ["bad", record(nested(100_000))],
  ["bad", record("[".repeat(100_000))],
  ["bad", record("")],
  ["bad", record(null, { key: null })],
  ["bad", record(null, { key: Buffer.from([0xff]) })],
  ["bad", record(like)],
  ["bad", record('{"data":[{"id":"1","text":"a"},{"id":"2","text":"b"}]}')],
  ["rows", record(post("h1", String.raw`,"lang":"\u0000\ud800","user":{"name":"\udfff\u0000"}`))],
  ["rows", record(post("h2", ',"favorite_count":99999999999999999999,"reply_count":-0'))],
  ["rows", record(post("h3", ',"favorite_count":9223372036854775807,"reply_count":1e400'))],
  ["rows", record(`\uFEFF${post("h4", ',"lang":"\uFFFF\u{10FFFF}\u2028"')}`)],
  ["rows", record(post("h5"), { timestampMs: -1, key: null })],
  ["rows", record(post("h6"), { timestampMs: AT / 1000, key: text("\0".repeat(10_000)) })],
  ["rows", record(post("h7"), { timestampMs: 0, key: Buffer.alloc(0) })],
  ["rows", record('{"id_str":"h8","created_at":"9999-12-31T23:59:59Z"}', { timestampMs: -1 })],
  [
    "rows",
    record(post("h9"), {
      headers: [
        ["", null],
        ["hybridge-schema", Buffer.from([0xff, 0])],
        ["traceparent", text("\0")],
        ["traceparent", null],
        ["__proto__", text("x".repeat(10_000))],
      ],
    }),
  ],
  ["rows", record(post("h".repeat(512)))],
  ["bad", record(post("h".repeat(513)))],
  ["gone", record(post("h10"), { key: text("h10") })],
  ["gone", record(null, { key: text("h10") })],
  ["gone", record(accountGone)],
];

/** Writes those records to a partition of the topic, which is there, and notes them. */
export async function writeHostile(
  cluster: ClusterOptions,
  written: Written,
  signal: AbortSignal,
): Promise<void> {
  await using writer = await openFencedWriter({
    cluster,
    transactionalId: "test-posts",
    topic: TOPIC,
    partitions: [1],
    signal,
    compression: "lz4",
  });
  const first = await writer.append(
    1,
    hostile.map(([, each]) => each),
  );
  for (const [index, [fate, { value }]] of hostile.entries()) {
    const id = `1/${first + BigInt(index)}`;
    const md5 = createHash("md5")
      .update(value ?? "")
      .digest("hex");
    written[fate].push(fate === "bad" ? id : `${id} ${md5}`);
  }
}

import { createHash } from "node:crypto";
import { otherNames, readPosts, rowOf } from "../src/index.ts";
import { allLines } from "./fixtures.ts";
import { landing, recordOf } from "./records.ts";

/** Values whose reading could depend on where it happens: times, cases of letters, breaks. */
const delicate = [
  ...[
    "2023-07-01T12:00:00",
    "2023-03-12T02:30:00",
    "2023-11-05 01:30:00",
    "Sun Mar 26 02:30:00 +0000 2023",
    "26 Mar 2023 02:30:00",
    "01/02/2023",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
  ].map((created_at) => JSON.stringify({ id_str: "1", text: "Iİıi ǅ ß", created_at })),
  '{"id_str":"1","text":"\\u0000\\ud800"}',
  '{"id":12345678901234567890,"favorite_count":1e400,"reply_count":-0}',
  '{"id_str":"1","id_str":"2","__proto__":{"text":"no"}}',
  '{"id_str":"1",',
  '{"id_str":tru}',
  "\uFEFF{}",
  "[[[",
  `${"[".repeat(1_000)}1${"]".repeat(1_000)}`,
].map((text) => Buffer.from(text));

/** All that is read from the fixtures and those values, and a digest of it. */
export function readEverything(): { readonly count: number; readonly digest: string } {
  const results: unknown[] = [otherNames];
  for (const line of [...allLines(), ...delicate]) {
    results.push(readPosts(line));
    results.push(rowOf(recordOf(line), landing));
    results.push(rowOf({ ...recordOf(line), timestampMs: -1 }, landing));
  }
  const text = JSON.stringify(results, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return { count: results.length, digest: createHash("sha256").update(text).digest("hex") };
}

if (process.argv[2] === "print") process.stdout.write(JSON.stringify(readEverything()));

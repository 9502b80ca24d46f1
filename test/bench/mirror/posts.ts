import type { RecordToSend } from "@hybridge/kafka";
import type { Random } from "@hybridge/kafka/testing";

/** Bytes of a record in its batch, measured: key, value and what stands around them. */
export const RECORD_BYTES = { none: 647, lz4: 490 } as const;

const VALUE_BYTES = 700;
const WORDS =
  "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part".split(
    " ",
  );

/** Posts, a millisecond apart. */
export function makePosts(random: Random, count: number, fromMs: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => {
    const id = String(Math.floor(random() * 1e15));
    const text = Array.from(
      { length: 22 },
      () => WORDS[Math.floor(random() * WORDS.length)] ?? "",
    ).join(" ");
    const user = { id: Math.floor(random() * 1e9), name: `user${Math.floor(random() * 1e6)}` };
    const counts = { retweets: Math.floor(random() * 1e4), likes: Math.floor(random() * 1e4) };
    const created = new Date(fromMs).toISOString();
    const post = { id, text, user, ...counts, lang: "en", created_at: created };
    const json = JSON.stringify(post);
    const padding = Array.from({ length: 40 }, () => Math.floor(random() * 1e8)).join("-");
    const whole = Buffer.from(`${json.slice(0, -1)},"entities":"${padding}"}`);
    return {
      key: Buffer.from(id),
      value: whole.subarray(0, VALUE_BYTES),
      headers: [],
      timestampMs: fromMs + index,
    };
  });
}

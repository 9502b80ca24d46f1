import type { RecordToSend } from "@hybridge/kafka";
import { postAt } from "@hybridge/tweet";

const SEED = 42;

/**
 * Posts as the pipeline's own generator makes them, a millisecond apart: about 710 bytes, which lz4
 * makes a third (in batches of 16 KiB) to a fifth (of 256 KiB) of. Real posts are alike: cut down to
 * the same fields, a hundred of those that the set-up fetches shrink to a quarter.
 */
export function makePosts(first: number, count: number, fromMs: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => {
    const { id, json } = postAt(SEED, first + index, fromMs);
    return {
      key: Buffer.from(id),
      value: Buffer.from(json),
      headers: [],
      timestampMs: fromMs + index,
    };
  });
}

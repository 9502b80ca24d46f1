import { Kind } from "./json-scanner.ts";
import { readEvent } from "./scan-bluesky.ts";
import { post, scanner, root, isAbsent } from "./scan-slots.ts";
import { readStatus } from "./scan-x-v11.ts";
import { readMessageV2 } from "./scan-x-v2.ts";
import type { ScannedPost } from "./scanned-post.ts";

const { kinds } = scanner;

/**
 * Reads a post from its bytes if it is usual: strict JSON in one of the forms that nearly all posts
 * have, a message of X's API v2, a status of X's API v1.1 (retweets and extended ones too), or a
 * commit of Bluesky's Jetstream. What it says is then exactly what readPost says (a property test
 * holds it to that); everything else is unusual and for readPost to decide.
 *
 * @param bytes UTF-8 from `start` to `end`, with a zero byte at `end`
 * @param said filled when the answer is true
 */
export function scanPost(
  bytes: Uint8Array,
  start: number,
  end: number,
  said: ScannedPost,
): boolean {
  scanner.read(bytes);
  scanner.forget(post);
  if (!scanner.scan(post.node, start, end)) return false;
  said.clear();
  if (!isAbsent(root.statuses) || !isAbsent(root.username) || !isAbsent(root.screen_name)) {
    return false;
  }
  if (kinds[root.data.$] === Kind.object) return readMessageV2(said);
  if (!isAbsent(root.data.$)) return false;
  if (!isAbsent(root.id_str)) return readStatus(said);
  if (kinds[root.user.$] === Kind.object) return false;
  return readEvent(said);
}

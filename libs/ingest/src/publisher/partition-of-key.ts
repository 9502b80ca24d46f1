const SEED = 0x9747b28c;
const MIX = 0x5bd1e995;

/**
 * The partition that Kafka's own clients choose for a key: murmur2, made positive, modulo
 * (org.apache.kafka.clients.producer.internals.BuiltInPartitioner). A post id lands where any other
 * producer would put it, so keyed readers may rely on it.
 */
export function partitionOfKey(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** The 32-bit murmur2 of org.apache.kafka.common.utils.Utils, as a signed number. */
export function murmur2(data: Buffer): number {
  const { length } = data;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = Math.imul(data.readInt32LE(at), MIX);
    word ^= word >>> 24;
    hash = Math.imul(hash, MIX) ^ Math.imul(word, MIX);
  }
  const rest = length - at;
  if (rest === 3) hash ^= (data[at + 2] ?? 0) << 16;
  if (rest >= 2) hash ^= (data[at + 1] ?? 0) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ (data[at] ?? 0), MIX);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MIX);
  return hash ^ (hash >>> 15);
}

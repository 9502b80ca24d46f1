/**
 * Any 64-bit integer: a bigint where a number would round it. No clock says so, but some producers
 * write nanoseconds, or the largest number there is.
 */
export type Timestamp = number | bigint;

/** The number itself where a double holds it. */
export function exact(timestamp: bigint): Timestamp {
  const number = Number(timestamp);
  return Number.isSafeInteger(number) ? number : timestamp;
}

/** As the broker reckons: in 64 bits, which may overflow. */
export function plus(base: Timestamp, delta: Timestamp): Timestamp {
  if (typeof base === "number" && typeof delta === "number") {
    const sum = base + delta;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return exact(BigInt.asIntN(64, BigInt(base) + BigInt(delta)));
}

export function minus(timestamp: Timestamp, base: Timestamp): Timestamp {
  if (typeof base === "number" && typeof timestamp === "number") {
    const difference = timestamp - base;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return exact(BigInt.asIntN(64, BigInt(timestamp) - BigInt(base)));
}

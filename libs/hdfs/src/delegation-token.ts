// A delegation token as text is the Writable of Hadoop's Token in URL-safe Base64: identifier,
// password, kind, service. @see org.apache.hadoop.security.token.Token#encodeToUrlString and
// AbstractDelegationTokenIdentifier#write
import type { Clock, Emit } from "@hybridge/core";

/** When a token was made and when it ends at the latest, in ms since 1970. */
export interface TokenDates {
  readonly issuedMs: number;
  readonly endsMs: number;
}

/** undefined for a text that is no delegation token. */
export function tokenDates(text: string): TokenDates | undefined {
  try {
    const token = readerOf(Buffer.from(text, "base64url"));
    const identifier = readerOf(token.bytes());
    if (identifier.byte() !== 0) return undefined;
    // Owner, renewer and real user.
    for (let names = 0; names < 3; names++) identifier.bytes();
    const [issuedMs, endsMs] = [identifier.number(), identifier.number()];
    return Number.isSafeInteger(issuedMs) && endsMs > issuedMs ? { issuedMs, endsMs } : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readerOf(buffer: Buffer) {
  let at = 0;
  const number = (): number => {
    const first = buffer.readInt8(at++);
    // WritableUtils.readVLong: small numbers stand for themselves, others say their length.
    if (first >= -112) return first;
    const isNegative = first < -120;
    const length = (isNegative ? -120 : -112) - first;
    let value = 0n;
    for (let index = 0; index < length; index++) {
      value = (value << 8n) | BigInt(buffer.readUInt8(at++));
    }
    return Number(isNegative ? ~value : value);
  };
  return {
    byte: () => buffer.readUInt8(at++),
    number,
    bytes() {
      const length = number();
      const start = at;
      at += length;
      if (length < 0 || at > buffer.length) throw new RangeError("longer than the token");
      return buffer.subarray(start, at);
    },
  };
}

const DAY_MS = 86_400_000;
const AGAIN_MS = 3_600_000;

/** Says in good time, and then every hour, that a token comes to its end. */
export function tokenWatch(emit: Emit, clock: Clock): (text: string) => void {
  let saidAt = -Infinity;
  let said = "";
  return (text) => {
    if (text === said && clock.now() < saidAt + AGAIN_MS) return;
    const dates = tokenDates(text);
    if (dates === undefined) return;
    const leftMs = dates.endsMs - clock.now();
    if (leftMs > Math.min(DAY_MS, (dates.endsMs - dates.issuedMs) / 4)) return;
    [said, saidAt] = [text, clock.now()];
    const end = new Date(dates.endsMs).toISOString();
    emit({
      name: "hdfs.token_ends",
      level: "warn",
      message: `the delegation token of HDFS ends at ${end} at the latest: put a new one into its file`,
      fields: { end, leftMs },
    });
  };
}

/** What to say about a token that was refused; never the token. */
export function describeToken(text: string): string {
  const dates = tokenDates(text);
  if (dates === undefined) return "It is not the text of a delegation token";
  const time = (ms: number) => new Date(ms).toISOString();
  return (
    `It was issued at ${time(dates.issuedMs)} and ends at ${time(dates.endsMs)} at the latest, ` +
    "earlier when nobody renews it (dfs.namenode.delegation.token.renew-interval)"
  );
}

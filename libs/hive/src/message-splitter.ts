import { HiveProtocolError } from "./errors.ts";
import { DEPTH_MAX, FIXED_WIDTH, ttype, unknownType } from "./thrift.ts";

/** Bytes between two system calls of the socket; the buffer doubles from here. */
const FIRST_BYTES = 64 * 1024;

interface Bytes {
  buffer: Buffer;
  /** How much of the buffer is there. */
  filled: number;
  /** Where the scan stands; may be past `filled` when the rest is only to be skipped. */
  at: number;
  readonly max: number;
}

/** A scan that stops wherever it needs bytes that are not there yet. */
type Scan = Generator<undefined, void, undefined>;

/**
 * Cuts a stream of bytes into Thrift messages. The binary protocol tells no length beforehand, so
 * the only way to the end of a message is through it; this walks over each byte once, however the
 * stream is chopped, and copies it once.
 *
 * @param bytesMax a longer message is refused: it would not fit in memory
 */
export function messageSplitter(bytesMax: number): { push(chunk: Buffer): Buffer[] } {
  const bytes: Bytes = { buffer: Buffer.alloc(0), filled: 0, at: 0, max: bytesMax };
  let scan = scanMessage(bytes);
  return {
    push(chunk) {
      append(bytes, chunk);
      const messages: Buffer[] = [];
      while (bytes.filled > 0 && scan.next().done) {
        messages.push(bytes.buffer.subarray(0, bytes.at));
        const rest = bytes.buffer.subarray(bytes.at, bytes.filled);
        bytes.buffer = Buffer.alloc(0);
        bytes.filled = bytes.at = 0;
        append(bytes, rest);
        scan = scanMessage(bytes);
      }
      return messages;
    },
  };
}

function append(bytes: Bytes, chunk: Buffer): void {
  const wanted = bytes.filled + chunk.length;
  if (wanted > bytes.buffer.length) {
    const grown = Buffer.allocUnsafeSlow(Math.max(wanted, bytes.buffer.length * 2, FIRST_BYTES));
    bytes.buffer.copy(grown, 0, 0, bytes.filled);
    bytes.buffer = grown;
  }
  chunk.copy(bytes.buffer, bytes.filled);
  bytes.filled = wanted;
}

function* scanMessage(bytes: Bytes): Scan {
  while (bytes.filled < 4) yield;
  if (bytes.buffer.readUInt16BE(0) !== 0x8001) {
    const start = JSON.stringify(bytes.buffer.subarray(0, Math.min(bytes.filled, 60)).toString());
    throw new HiveProtocolError(
      `the answer is no Thrift message, it begins with ${start}. Is this the binary Thrift port, ` +
        "and do the log-in and TLS settings agree with hive.server2.authentication and use.SSL?",
    );
  }
  bytes.at = 4;
  yield* skipText(bytes);
  bytes.at += 4;
  yield* skipStruct(bytes, 0);
  while (bytes.filled < bytes.at) yield;
}

function* skipStruct(bytes: Bytes, depth: number): Scan {
  if (depth > DEPTH_MAX) throw new HiveProtocolError("a message of HiveServer2 is nested too deep");
  for (;;) {
    while (bytes.filled < bytes.at + 1) yield;
    const type = bytes.buffer.readUInt8(bytes.at);
    bytes.at += 1;
    if (type === ttype.stop) return;
    bytes.at += 2;
    yield* skipValue(bytes, type, depth + 1);
  }
}

function* skipValue(bytes: Bytes, type: number, depth: number): Scan {
  const width = FIXED_WIDTH[type];
  if (width !== undefined) {
    bytes.at += width;
    // A count is believed only as far as bytes come for it.
    while (bytes.filled < bytes.at) yield;
  } else if (type === ttype.string) yield* skipText(bytes);
  else if (type === ttype.struct) yield* skipStruct(bytes, depth);
  else if (type === ttype.list || type === ttype.set) yield* skipList(bytes, depth);
  else if (type === ttype.map) yield* skipMap(bytes, depth);
  else throw unknownType(type);
}

function* skipText(bytes: Bytes): Scan {
  while (bytes.filled < bytes.at + 4) yield;
  advance(bytes, bytes.buffer.readInt32BE(bytes.at));
  bytes.at += 4;
}

function* skipList(bytes: Bytes, depth: number): Scan {
  while (bytes.filled < bytes.at + 5) yield;
  const type = bytes.buffer.readUInt8(bytes.at);
  const count = bytes.buffer.readInt32BE(bytes.at + 1);
  bytes.at += 5;
  const width = FIXED_WIDTH[type];
  if (width !== undefined) {
    advance(bytes, width * count);
    return;
  }
  if (type !== ttype.string) {
    for (let index = 0; index < count; index++) yield* skipValue(bytes, type, depth);
    return;
  }
  // The texts of a column: where the time goes, so no generator for each.
  for (let index = 0; index < count; index++) {
    while (bytes.filled < bytes.at + 4) yield;
    advance(bytes, bytes.buffer.readInt32BE(bytes.at));
    bytes.at += 4;
  }
}

function* skipMap(bytes: Bytes, depth: number): Scan {
  while (bytes.filled < bytes.at + 6) yield;
  const keyType = bytes.buffer.readUInt8(bytes.at);
  const valueType = bytes.buffer.readUInt8(bytes.at + 1);
  const count = bytes.buffer.readInt32BE(bytes.at + 2);
  bytes.at += 6;
  for (let index = 0; index < count; index++) {
    yield* skipValue(bytes, keyType, depth);
    yield* skipValue(bytes, valueType, depth);
  }
}

function advance(bytes: Bytes, length: number): void {
  if (length < 0) throw new HiveProtocolError(`a message of HiveServer2 has a length of ${length}`);
  bytes.at += length;
  if (bytes.at > bytes.max) {
    throw new HiveProtocolError(
      `an answer of HiveServer2 is longer than ${bytes.max} bytes; select fewer or shorter columns`,
    );
  }
}

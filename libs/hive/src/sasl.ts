// Thrift's SASL transport: a handshake of [status byte, length, payload], then frames of
// [length, payload]. Java: org.apache.thrift.transport.TSaslTransport. The quality of protection
// that HiveServer2 uses with PLAIN is "auth": payloads are not wrapped; TLS is what protects them.
import { HiveLoginError, HiveProtocolError } from "./errors.ts";

const status = { start: 1, ok: 2, bad: 3, error: 4, complete: 5 } as const;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** What a client sends first, in one write: the mechanism and the only step of PLAIN (RFC 4616). */
export function plainLogin(user: string, password: string): Buffer {
  const credentials = Buffer.from(`\0${user}\0${password}`);
  return Buffer.concat([
    saslMessage(status.start, Buffer.from("PLAIN")),
    saslMessage(status.ok, credentials),
  ]);
}

export function frame(payload: Buffer): Buffer {
  return Buffer.concat([length(payload), payload]);
}

/** Undoes both layers for the client: first the answer to the log-in, then frames. */
export interface SaslReader {
  readonly loggedIn: boolean;
  /** The payloads in a chunk. @throws HiveLoginError | HiveProtocolError */
  push(chunk: Buffer): Buffer[];
}

export function saslReader(): SaslReader {
  let loggedIn = false;
  let pending: Buffer = Buffer.alloc(0);
  /** Bytes left of the frame that is being read. */
  let left = 0;

  /** Takes the answer to the log-in off `pending`. */
  function readAnswer(): void {
    if (pending.length < 5) return;
    const answer = pending.readUInt8(0);
    const size = pending.readInt32BE(1);
    if (size < 0 || size > ANSWER_BYTES_MAX) throw notSasl(pending);
    if (pending.length < 5 + size) return;
    const text = pending.subarray(5, 5 + size).toString();
    pending = pending.subarray(5 + size);
    if (answer === status.complete) loggedIn = true;
    else if (answer === status.bad || answer === status.error) throw refused(text);
    else if (answer !== status.ok) throw notSasl(pending);
    else readAnswer();
  }

  function readFrames(): Buffer[] {
    const payloads: Buffer[] = [];
    while (pending.length > 0) {
      if (left === 0) {
        if (pending.length < 4) break;
        left = pending.readInt32BE(0);
        if (left < 0) throw new HiveProtocolError(`a SASL frame of HiveServer2 has length ${left}`);
        pending = pending.subarray(4);
        continue;
      }
      const payload = pending.subarray(0, left);
      payloads.push(payload);
      left -= payload.length;
      pending = pending.subarray(payload.length);
    }
    return payloads;
  }

  return {
    get loggedIn() {
      return loggedIn;
    },
    push(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      if (!loggedIn) readAnswer();
      return loggedIn ? readFrames() : [];
    },
  };
}

export function saslMessage(code: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([code]), length(payload), payload]);
}

function refused(text: string): HiveLoginError {
  return new HiveLoginError(
    `HiveServer2 refuses the log-in${text === "" ? "" : ` (${text})`}. Check the user, the ` +
      "password, and that hive.server2.authentication is NONE, LDAP, PAM or CUSTOM",
  );
}

/** @see RFC 8446, 5.1: the type of a record that says why TLS fails */
const TLS_ALERT = 21;

function notSasl(bytes: Buffer): HiveProtocolError {
  if (bytes[0] === TLS_ALERT) {
    return new HiveProtocolError(
      "the server wants TLS: set HYBRIDGE_HIVE_TLS, and HYBRIDGE_HIVE_TLS_CA_FILE for an authority of your own",
    );
  }
  const start = JSON.stringify(bytes.subarray(0, 60).toString());
  return new HiveProtocolError(
    `the answer to the log-in is not SASL, it begins with ${start}. Is this the binary Thrift ` +
      "port of a HiveServer2 whose hive.server2.authentication is not NOSASL?",
  );
}

function length(payload: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(payload.length);
  return bytes;
}

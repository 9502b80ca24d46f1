import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import type { ClusterOptions } from "../api.ts";
import { AuthenticationError } from "../errors.ts";
import type { Api, Connection } from "./connection.ts";
import { ProtocolWriter } from "./writer.ts";

type Sasl = NonNullable<ClusterOptions["sasl"]>;

const handshakeApi: Api = { name: "SaslHandshake", key: 17, version: 1, flexible: false };
const authenticateApi: Api = { name: "SaslAuthenticate", key: 36, version: 2 };
/** RFC 5802 wants at least 4096; more than this is a broker that wants to keep us busy. */
const ITERATIONS_MAX = 1_000_000;

/**
 * Logs in on a fresh connection: PLAIN (RFC 4616) or SCRAM (RFC 5802, 7677).
 *
 * @returns milliseconds until the login ends (KIP-368); 0 when it does not
 * @throws AuthenticationError
 */
export async function authenticate(
  connection: Connection,
  sasl: Sasl,
  signal: AbortSignal,
): Promise<number> {
  await handshake(connection, sasl, signal);
  if (sasl.mechanism === "PLAIN") {
    const token = Buffer.from(`\0${sasl.username}\0${sasl.password}`);
    return (await exchange(connection, token, signal)).lifetimeMs;
  }
  const client = startScram(sasl);
  const challenge = await exchange(connection, Buffer.from(client.first), signal);
  const proof = finishScram(sasl, client, challenge.bytes.toString());
  const verdict = await exchange(connection, Buffer.from(proof.final), signal);
  const given = Buffer.from(/^v=([^,]+)/.exec(verdict.bytes.toString())?.[1] ?? "", "base64");
  if (given.length !== proof.server.length || !timingSafeEqual(given, proof.server)) {
    throw new AuthenticationError(
      `log in as ${sasl.username} at ${connection.address}: the broker could not prove that it knows the password`,
    );
  }
  return verdict.lifetimeMs;
}

async function handshake(connection: Connection, sasl: Sasl, signal: AbortSignal): Promise<void> {
  const body = new ProtocolWriter().plainString(sasl.mechanism);
  const reader = await connection.request(handshakeApi, body, { signal });
  const error = reader.i16();
  if (error === 0) return;
  const offered = reader.plainArray((item) => {
    const length = item.i16();
    const at = item.skip(length);
    return item.buffer.toString("utf8", at, at + length);
  });
  throw new AuthenticationError(
    `log in at ${connection.address} with ${sasl.mechanism}: the listener offers ${offered.join(", ") || "no mechanism"}`,
  );
}

async function exchange(
  connection: Connection,
  token: Buffer,
  signal: AbortSignal,
): Promise<{ bytes: Buffer; lifetimeMs: number }> {
  const body = new ProtocolWriter().compactBytes(token).noTags();
  const reader = await connection.request(authenticateApi, body, { signal });
  const error = reader.i16();
  const message = reader.compactNullableString();
  const bytes = reader.compactBytes() ?? Buffer.alloc(0);
  const lifetimeMs = Number(reader.i64());
  if (error !== 0) {
    throw new AuthenticationError(
      `log in at ${connection.address}: the broker answered ${error}: ${message ?? "no reason given"}; check user, password and mechanism`,
    );
  }
  return { bytes, lifetimeMs };
}

interface ScramClient {
  readonly first: string;
  readonly bare: string;
  readonly nonce: string;
}

export function startScram(
  sasl: Pick<Sasl, "username">,
  nonce = randomBytes(24).toString("base64"),
): ScramClient {
  const user = sasl.username.replaceAll("=", "=3D").replaceAll(",", "=2C");
  const bare = `n=${user},r=${nonce}`;
  return { first: `n,,${bare}`, bare, nonce };
}

/** The client's last message, and what the server must answer to prove itself. */
export function finishScram(
  sasl: Sasl,
  client: ScramClient,
  challenge: string,
): { final: string; server: Buffer } {
  const fields = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(challenge);
  const [, nonce = "", salt = "", count = "0"] = fields ?? [];
  const iterations = Number(count);
  if (!nonce.startsWith(client.nonce) || iterations < 1 || iterations > ITERATIONS_MAX) {
    throw new AuthenticationError(
      `log in as ${sasl.username}: the broker's challenge is not a SCRAM challenge for this login`,
    );
  }
  const hash = sasl.mechanism === "SCRAM-SHA-512" ? "sha512" : "sha256";
  const bits = hash === "sha512" ? 64 : 32;
  const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
  const salted = pbkdf2Sync(sasl.password, Buffer.from(salt, "base64"), iterations, bits, hash);
  const clientKey = hmac(salted, "Client Key");
  const stored = createHash(hash).update(clientKey).digest();
  const withoutProof = `c=biws,r=${nonce}`;
  const message = `${client.bare},${challenge},${withoutProof}`;
  const signature = hmac(stored, message);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
  return {
    final: `${withoutProof},p=${proof.toString("base64")}`,
    server: hmac(hmac(salted, "Server Key"), message),
  };
}

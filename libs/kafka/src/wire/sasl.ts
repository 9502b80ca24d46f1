import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { PasswordLogin, SaslOptions } from "../api.ts";
import { AuthenticationError } from "../errors.ts";
import type { Api } from "./connection.ts";
import { brokerError } from "./protocol-errors.ts";
import type { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

/** What a login is spoken over. */
export interface SaslChannel {
  readonly address: string;
  request(
    api: Api,
    body: ProtocolWriter,
    options: { readonly signal?: AbortSignal },
  ): Promise<ProtocolReader>;
}

/** Resolves with the milliseconds until the login ends (KIP-368); 0 when it does not. */
export type Exchange = (channel: SaslChannel, signal: AbortSignal) => Promise<number>;

const handshakeApi: Api = { name: "SaslHandshake", key: 17, version: 1, flexible: false };
const authenticateApi: Api = { name: "SaslAuthenticate", key: 36, version: 2 };
const UNSUPPORTED_MECHANISM = 33;
const AUTHENTICATION_FAILED = 58;
/** RFC 5802 wants at least 4096; more than this is a broker that wants to keep us busy. */
const ITERATIONS_MAX = 1_000_000;
/** Off the event loop: a renewal must not hold up the other connections of the process. */
const derive = promisify(pbkdf2);

/**
 * Reads the credentials as they are now, and has the token of an OAuth server ready, so that the
 * exchange itself waits for nothing but the broker. The exchange is PLAIN (RFC 4616), SCRAM
 * (RFC 5802, 7677) or OAUTHBEARER (RFC 7628), and throws AuthenticationError.
 *
 * @throws OAuthTokenError
 */
export async function prepareLogin(sasl: SaslOptions, signal: AbortSignal): Promise<Exchange> {
  if (sasl.mechanism === "OAUTHBEARER") {
    const token = await sasl.token(signal);
    return (channel, until) => sendToken(channel, token, sasl.extensions ?? {}, until);
  }
  const { mechanism, username, password } = sasl;
  const login = { mechanism, username, password: textOf(password) };
  return mechanism === "PLAIN"
    ? (channel, until) => sendPlain(channel, login, until)
    : (channel, until) => proveByScram(channel, login, until);
}

function textOf(secret: PasswordLogin["password"]): string {
  return typeof secret === "string" ? secret : secret.value();
}

interface Credentials {
  readonly mechanism: PasswordLogin["mechanism"];
  readonly username: string;
  readonly password: string;
}

async function sendPlain(
  channel: SaslChannel,
  { mechanism, username, password }: Credentials,
  signal: AbortSignal,
): Promise<number> {
  await handshake(channel, mechanism, signal);
  const message = Buffer.from(`\0${username}\0${password}`);
  return (await exchange(channel, message, username, signal)).lifetimeMs;
}

async function proveByScram(
  channel: SaslChannel,
  login: Credentials,
  signal: AbortSignal,
): Promise<number> {
  await handshake(channel, login.mechanism, signal);
  const { username } = login;
  const client = startScram(login);
  const challenge = await exchange(channel, Buffer.from(client.first), username, signal);
  const proof = await finishScram(login, client, challenge.bytes.toString());
  const verdict = await exchange(channel, Buffer.from(proof.final), username, signal);
  const given = Buffer.from(/^v=([^,]+)/.exec(verdict.bytes.toString())?.[1] ?? "", "base64");
  if (given.length !== proof.server.length || !timingSafeEqual(given, proof.server)) {
    throw new AuthenticationError(
      `log in as ${username} at ${channel.address}: the broker could not prove that it knows the password`,
    );
  }
  return verdict.lifetimeMs;
}

/** RFC 7628, with the extensions of KIP-342 (such as Confluent's logicalCluster). */
async function sendToken(
  channel: SaslChannel,
  token: string,
  extensions: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  await handshake(channel, "OAUTHBEARER", signal);
  const pairs = Object.entries(extensions).map(([name, value]) => `${name}=${value}\u0001`);
  const message = `n,,\u0001auth=Bearer ${token}\u0001${pairs.join("")}\u0001`;
  const answer = await exchange(channel, Buffer.from(message), "the token's subject", signal);
  if (answer.bytes.length === 0) return answer.lifetimeMs;
  // The refusal comes as a challenge, to which RFC 7628 wants one byte before the end.
  const reason = /"status"\s*:\s*"([^"]*)"/.exec(answer.bytes.toString())?.[1] ?? "no reason";
  const closing = await exchange(channel, Buffer.from("\u0001"), "", signal).catch(
    (error: unknown) => error,
  );
  throw new AuthenticationError(
    `log in at ${channel.address} with OAUTHBEARER: the broker refused the token: ${reason}; check the token's issuer, audience and scope against the listener's settings`,
    closing instanceof Error ? { cause: closing } : undefined,
  );
}

async function handshake(
  channel: SaslChannel,
  mechanism: string,
  signal: AbortSignal,
): Promise<void> {
  const body = new ProtocolWriter().plainString(mechanism);
  const reader = await channel.request(handshakeApi, body, { signal });
  const error = reader.i16();
  if (error === 0) return;
  const attempt = `log in at ${channel.address} with ${mechanism}`;
  if (error !== UNSUPPORTED_MECHANISM) throw brokerError(attempt, error);
  const offered = reader.plainArray((item) => {
    const length = item.i16();
    const at = item.skip(length);
    return item.buffer.toString("utf8", at, at + length);
  });
  throw new AuthenticationError(
    `${attempt}: the listener offers ${offered.join(", ") || "no mechanism"}`,
  );
}

async function exchange(
  channel: SaslChannel,
  token: Buffer,
  user: string,
  signal: AbortSignal,
): Promise<{ bytes: Buffer; lifetimeMs: number }> {
  const body = new ProtocolWriter().compactBytes(token).noTags();
  const reader = await channel.request(authenticateApi, body, { signal });
  const error = reader.i16();
  const message = reader.compactNullableString();
  const bytes = reader.compactBytes() ?? Buffer.alloc(0);
  const lifetimeMs = Number(reader.i64());
  if (error === 0) return { bytes, lifetimeMs };
  const attempt = `log in${user === "" ? "" : ` as ${user}`} at ${channel.address}`;
  if (error !== AUTHENTICATION_FAILED) throw brokerError(attempt, error, message);
  throw new AuthenticationError(
    `${attempt}: the broker answered SASL_AUTHENTICATION_FAILED (58): ${message ?? "no reason given"}; check user, password and mechanism`,
  );
}

interface ScramClient {
  readonly first: string;
  readonly bare: string;
  readonly nonce: string;
}

export function startScram(
  sasl: Pick<Credentials, "username">,
  nonce = randomBytes(24).toString("base64"),
): ScramClient {
  const user = sasl.username.replaceAll("=", "=3D").replaceAll(",", "=2C");
  const bare = `n=${user},r=${nonce}`;
  return { first: `n,,${bare}`, bare, nonce };
}

/** The client's last message, and what the server must answer to prove itself. */
export async function finishScram(
  sasl: Credentials,
  client: ScramClient,
  challenge: string,
): Promise<{ final: string; server: Buffer }> {
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
  const salted = await derive(sasl.password, Buffer.from(salt, "base64"), iterations, bits, hash);
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

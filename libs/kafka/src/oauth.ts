import { readFileSync } from "node:fs";
import { request } from "node:https";
import { request as requestPlainly } from "node:http";
import { HybridgeError, retry, type Retry } from "@hybridge/core";

/** A token server gave no token. */
export class OAuthTokenError extends HybridgeError {
  readonly code = "KAFKA_OAUTH_TOKEN";
  readonly retry: Retry;

  constructor(message: string, options: ErrorOptions & { readonly retry: Retry }) {
    super(message, options);
    this.retry = options.retry;
  }
}

export interface Token {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly endsAtMs: number;
}

export interface ClientCredentials {
  readonly url: string;
  readonly clientId: string;
  readonly secret: { value(): string };
  readonly scope?: string | undefined;
  readonly caFile?: string | undefined;
}

/** Before the connections renew their logins (at 80 to 90 %), so that these last as long again. */
const RENEW_SHARE = 0.75;
const ANSWER_BYTES_MAX = 1 << 20;
const TIMEOUT_MS = 10_000;
const TRIES = 4;

/**
 * One token for all connections of a process, fetched again after three quarters of its life. While
 * the server gives no new one, the old one serves until its end.
 */
export function cachedToken(
  fetchToken: (signal: AbortSignal) => Promise<Token>,
  now: () => number = Date.now,
): (signal: AbortSignal) => Promise<string> {
  let token: Token | undefined;
  let renewAtMs = 0;
  let fetching: Promise<Token> | undefined;
  const refresh = async () => {
    // Whoever else waits for it must not fail with the first one's signal.
    fetching ??= fetchToken(AbortSignal.timeout(TRIES * TIMEOUT_MS)).finally(() => {
      fetching = undefined;
    });
    const fresh = await fetching;
    renewAtMs = now() + (fresh.endsAtMs - now()) * RENEW_SHARE;
    token = fresh;
    return fresh.text;
  };
  return async (signal) => {
    signal.throwIfAborted();
    if (token && now() < renewAtMs) return token.text;
    try {
      return await refresh();
    } catch (error) {
      if (token && now() < token.endsAtMs - 1_000) return token.text;
      throw error;
    }
  };
}

/**
 * Asks for a token by the client credentials grant (RFC 6749, 4.4; KIP-768): id and secret go in
 * the Authorization header, as Kafka's own clients send them.
 *
 * @throws OAuthTokenError with the server's status and error field
 */
export async function fetchByClientCredentials(
  credentials: ClientCredentials,
  signal: AbortSignal,
): Promise<Token> {
  return await retry(() => ask(credentials, signal), { signal, tries: TRIES, maxMs: 2_000 });
}

async function ask(credentials: ClientCredentials, signal: AbortSignal): Promise<Token> {
  const { url, clientId, scope } = credentials;
  const attempt = `get a token for ${clientId} from ${url}`;
  const body = new URLSearchParams({ grant_type: "client_credentials", ...(scope && { scope }) });
  const answer = await post(credentials, body.toString(), signal).catch((cause: unknown) => {
    throw new OAuthTokenError(`${attempt}: no answer; check the URL and its certificate`, {
      cause,
      retry: "backoff",
    });
  });
  const fields = fieldsOf(answer.text);
  if (answer.status !== 200) {
    const told = ["error", "error_description"].map((name) => fields[name]).filter(isText);
    const passes = answer.status >= 500 || answer.status === 429 || answer.status === 408;
    throw new OAuthTokenError(
      `${attempt}: the server answered ${answer.status}${told.length > 0 ? `, ${told.join(": ")}` : ""}; check client id, secret and scope`,
      { retry: passes ? "backoff" : "never" },
    );
  }
  const text = fields["access_token"];
  if (!isText(text) || !/^[\w.~+/=-]+$/.test(text)) {
    throw new OAuthTokenError(`${attempt}: the answer holds no access_token`, { retry: "never" });
  }
  return { text, endsAtMs: endOf(text, fields["expires_in"]) };
}

/** The token's own claim counts, as it does at the broker; else what the server said. */
function endOf(token: string, expiresIn: unknown): number {
  const claims = fieldsOf(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  if (typeof claims["exp"] === "number") return claims["exp"] * 1_000;
  const seconds = Number(expiresIn);
  return Date.now() + (seconds > 0 ? seconds : 300) * 1_000;
}

function post(
  { url, clientId, secret, caFile }: ClientCredentials,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const login = Buffer.from(`${clientId}:${secret.value()}`).toString("base64");
  const options = {
    method: "POST",
    headers: {
      accept: "application/json",
      authorization: `Basic ${login}`,
      "content-type": "application/x-www-form-urlencoded",
      "content-length": Buffer.byteLength(body),
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
  };
  const send = url.startsWith("https:") ? request : requestPlainly;
  return new Promise((resolve, reject) => {
    const sent = send(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES_MAX)
          response.destroy(new RangeError("the answer is too long"));
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

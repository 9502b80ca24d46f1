import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An authorization server of one client: client credentials in, RS256 tokens out, keys as JWKS. */
export interface TokenServer extends AsyncDisposable {
  readonly tokenUrl: string;
  readonly keysUrl: string;
  /** What the client has to know; it may change. */
  secret: string;
  /** How many tokens were given out. */
  readonly given: () => number;
}

export interface TokenClaims {
  readonly subject: string;
  readonly audience: string;
  readonly lifeSeconds: number;
}

export async function startTokenServer(
  clientId: string,
  secret: string,
  claims: TokenClaims,
): Promise<TokenServer> {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "1", use: "sig", alg: "RS256" };
  let given = 0;
  const state = { secret };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/keys") return response.end(JSON.stringify({ keys: [jwk] }));
    request.resume();
    await once(request, "end");
    const login = Buffer.from(`${clientId}:${state.secret}`).toString("base64");
    if (request.headers.authorization !== `Basic ${login}`) {
      return response.writeHead(401).end(JSON.stringify({ error: "invalid_client" }));
    }
    given += 1;
    return response.end(
      JSON.stringify({
        access_token: makeToken(pem.toString(), claims),
        token_type: "Bearer",
        expires_in: claims.lifeSeconds,
      }),
    );
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    tokenUrl: `${base}/token`,
    keysUrl: `${base}/keys`,
    given: () => given,
    get secret() {
      return state.secret;
    },
    set secret(text: string) {
      state.secret = text;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function makeToken(key: string, { subject, audience, lifeSeconds }: TokenClaims): string {
  const now = Math.floor(Date.now() / 1_000);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = encode({ alg: "RS256", typ: "JWT", kid: "1" });
  const body = encode({ sub: subject, aud: audience, iat: now, exp: now + lifeSeconds });
  const signature = sign("RSA-SHA256", Buffer.from(`${head}.${body}`), createPrivateKey(key));
  return `${head}.${body}.${signature.toString("base64url")}`;
}

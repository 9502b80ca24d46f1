import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { Secret } from "@hybridge/core";
import { signForMsk } from "../src/msk.ts";
import { cachedToken, fetchByClientCredentials } from "../src/oauth.ts";

const SECRET = "not-to-be-seen";
const seen: { request: IncomingMessage; body: string }[] = [];
const answers: { status: number; body: string }[] = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part: Buffer) => (body += part.toString()));
  request.on("end", () => {
    seen.push({ request, body });
    const { status, body: text } = answers.shift() ?? { status: 500, body: "" };
    response.writeHead(status).end(text);
  });
});
let url = "";

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
});
after(() => server.close());

const signal = () => AbortSignal.timeout(20_000);
const credentials = () => ({ url, clientId: "app", secret: Secret.of(SECRET), scope: "kafka" });
const jwt = (claims: object) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;

test("the grant is asked for as KIP-768 says, and the token's own end counts", async () => {
  const text = jwt({ exp: 2_000_000_000 });
  answers.push({ status: 200, body: JSON.stringify({ access_token: text, expires_in: 5 }) });
  const token = await fetchByClientCredentials(credentials(), signal());
  assert.deepEqual(token, { text, endsAtMs: 2_000_000_000_000 });
  const { request, body } = seen.at(-1) ?? assert.fail("nothing was asked");
  assert.equal(body, "grant_type=client_credentials&scope=kafka");
  const login = Buffer.from(`app:${SECRET}`).toString("base64");
  assert.equal(request.headers.authorization, `Basic ${login}`);
});

test("a refusal says the status and the error field, never the secret; an outage is tried again", async () => {
  const refusal = { error: "invalid_client", error_description: "unknown client" };
  answers.push({ status: 401, body: JSON.stringify(refusal) });
  await assert.rejects(fetchByClientCredentials(credentials(), signal()), (error: Error) => {
    assert.match(error.message, /401, invalid_client: unknown client/);
    assert.doesNotMatch(error.message, new RegExp(SECRET));
    return "retry" in error && error.retry === "never";
  });
  answers.push({ status: 503, body: "busy" }, { status: 200, body: '{"access_token":"opaque"}' });
  assert.equal((await fetchByClientCredentials(credentials(), signal())).text, "opaque");
  answers.push({ status: 200, body: "<html>" });
  await assert.rejects(fetchByClientCredentials(credentials(), signal()), /no access_token/);
});

test("a token serves all until three quarters of its life, and to its end while there is no other", async () => {
  let nowMs = 0;
  let count = 0;
  let isAway = false;
  const take = cachedToken(
    () => {
      if (isAway) return Promise.reject(new Error("away"));
      count += 1;
      return Promise.resolve({ text: `t${count}`, endsAtMs: nowMs + 100_000 });
    },
    () => nowMs,
  );
  assert.deepEqual(await Promise.all([take(signal()), take(signal())]), ["t1", "t1"]);
  nowMs = 74_000;
  assert.equal(await take(signal()), "t1");
  nowMs = 76_000;
  assert.equal(await take(signal()), "t2");
  isAway = true;
  nowMs = 160_000;
  assert.equal(await take(signal()), "t2");
  nowMs = 180_000;
  await assert.rejects(take(signal()), /away/);
});

test("a token for MSK is a signed request to connect, without the secret key", async () => {
  const given = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: SECRET };
  const former = Object.keys(given).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, given);
  try {
    const { text, endsAtMs } = await signForMsk("eu-central-1");
    const signed = new URL(Buffer.from(text, "base64url").toString());
    assert.equal(signed.hostname, "kafka.eu-central-1.amazonaws.com");
    assert.equal(signed.searchParams.get("Action"), "kafka-cluster:Connect");
    assert.match(
      signed.searchParams.get("X-Amz-Credential") ?? "",
      /^AKIDEXAMPLE\/\d{8}\/eu-central-1\/kafka-cluster\/aws4_request$/,
    );
    assert.doesNotMatch(signed.href, new RegExp(SECRET));
    assert.ok(endsAtMs > Date.now());
  } finally {
    for (const [name, value] of former) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
});

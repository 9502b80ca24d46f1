import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { UnavailableError } from "@hybridge/core";
import type { HiveSecurity } from "./hive-security.ts";
import type { CloudSecurity } from "./security.ts";

/**
 * Asks a broker for its metadata: it answers with itself only when it is registered and unfenced.
 * Where it is secured, `admin` logs in first.
 * @see https://kafka.apache.org/protocol#The_Messages_Metadata (v1 with an empty list of topics)
 */
export async function probeKafka(
  port: number,
  signal: AbortSignal,
  security?: CloudSecurity,
): Promise<void> {
  const login = security === undefined ? [] : plainLogin("admin", security.password("admin"));
  const metadata = kafkaRequest(3, 1, Buffer.alloc(4));
  const answers = await exchange(
    { port, ...(security === undefined ? {} : { caFile: security.caFile }) },
    [...login, metadata],
    signal,
    (data) => (data.length >= 4 ? 4 + data.readInt32BE(0) : undefined),
  );
  for (const answer of answers.slice(0, -1)) {
    const error = answer.readInt16BE(8);
    if (error !== 0) {
      throw new UnavailableError(`the broker on port ${port} refuses its admin (error ${error})`);
    }
  }
  const brokers = answers.at(-1)?.readInt32BE(8) ?? 0;
  if (brokers < 1) throw new UnavailableError(`the broker on port ${port} is not registered yet`);
}

/** SaslHandshake v1 and SaslAuthenticate v0, RFC 4616. */
function plainLogin(user: string, password: string): Buffer[] {
  const token = Buffer.from(`\0${user}\0${password}`);
  const length = Buffer.alloc(4);
  length.writeInt32BE(token.length);
  return [
    kafkaRequest(17, 1, kafkaString("PLAIN")),
    kafkaRequest(36, 0, Buffer.concat([length, token])),
  ];
}

function kafkaRequest(api: number, version: number, body: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeInt16BE(api, 4);
  head.writeInt16BE(version, 6);
  head.writeInt32BE(1, 8); // correlation id
  const request = Buffer.concat([head, kafkaString("hybridge-probe"), body]);
  request.writeInt32BE(request.length - 4, 0);
  return request;
}

function kafkaString(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeInt16BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

/**
 * Opens a SASL PLAIN exchange as a client of HiveServer2 does and wants COMPLETE (5): the server
 * answers it only after its metastore and session manager are up. Where it is secured, the first
 * of its users logs in.
 * @see https://thrift.apache.org/docs/sasl.html (status byte, length, payload)
 */
export async function probeHive(
  port: number,
  signal: AbortSignal,
  security?: Pick<HiveSecurity, "caFile" | "users">,
): Promise<void> {
  const [[user, password] = ["hybridge", "hybridge"]] = Object.entries(security?.users ?? {});
  const mechanism = Buffer.from("PLAIN");
  const credentials = Buffer.from(`\0${user}\0${password}`);
  const request = Buffer.concat([saslMessage(1, mechanism), saslMessage(2, credentials)]);
  const to = { port, ...(security === undefined ? {} : { caFile: security.caFile }) };
  const [answer] = await exchange(to, [request], signal, (data) =>
    data.length >= 5 ? 5 + data.readUInt32BE(1) : undefined,
  );
  const status = answer?.[0];
  if (status !== 5) {
    throw new UnavailableError(`HiveServer2 on port ${port} refused a log-in (SASL ${status})`);
  }
}

/**
 * Calls a method that no Thrift server has: one without SASL answers that it does not know it.
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 */
export async function probeHiveWithoutSasl(port: number, signal: AbortSignal): Promise<void> {
  const name = Buffer.from("probe");
  const call = Buffer.alloc(8 + name.length + 5);
  call.writeUInt32BE(0x8001_0001, 0); // version 1, CALL
  call.writeUInt32BE(name.length, 4);
  name.copy(call, 8);
  await exchange({ port }, [call], signal, (data) => (data.length >= 4 ? 4 : undefined));
}

/** GET; any 2xx is healthy. Returns the body. */
export async function probeHttp(
  url: string,
  signal: AbortSignal,
  caFile?: string,
): Promise<string> {
  const { status, body } = await httpCall("GET", url, signal, { caFile });
  if (status >= 200 && status < 300) return body;
  throw new UnavailableError(`GET ${url} answers ${status}: ${body.slice(0, 200)}`);
}

/** One request by HTTP or HTTPS; redirects are not followed. */
export async function httpCall(
  method: "GET" | "PUT" | "POST",
  url: string,
  signal: AbortSignal,
  { caFile, json }: { readonly caFile?: string | undefined; readonly json?: string } = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const tls = caFile === undefined ? {} : { ca: readFileSync(caFile) };
  const headers = json === undefined ? {} : { "content-type": "application/json" };
  const start = url.startsWith("https:") ? httpsRequest : httpRequest;
  // No agent: a kept connection would outlive the server that is stopped next.
  const outgoing = start(url, { method, headers, signal, agent: false, ...tls }).end(json);
  // Its error may come after the signal has ended our waiting.
  outgoing.on("error", () => undefined);
  const [response] = (await once(outgoing, "response", { signal })) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) body += chunk;
  return { status: response.statusCode ?? 0, body };
}

function saslMessage(status: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(status, 0);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Sends requests, each when the one before is answered; `frameLength` says how long an answer is, once that is known. */
export async function exchange(
  to: { readonly port: number; readonly caFile?: string },
  requests: readonly Buffer[],
  signal: AbortSignal,
  frameLength: (data: Buffer) => number | undefined,
): Promise<Buffer[]> {
  signal.throwIfAborted();
  const { port } = to;
  const address = { port, host: "127.0.0.1" };
  const socket: Socket =
    to.caFile === undefined
      ? connect(address)
      : connectTls({ ...address, ca: readFileSync(to.caFile) });
  const onAbort = () => socket.destroy(new UnavailableError(`no answer from port ${port} in time`));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Promise<Buffer[]>((resolve, reject) => {
      const answers: Buffer[] = [];
      let received = Buffer.alloc(0);
      const next = () => socket.write(requests[answers.length] ?? Buffer.alloc(0));
      socket.once(to.caFile === undefined ? "connect" : "secureConnect", next);
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const length = frameLength(received);
        if (length === undefined || received.length < length) return;
        answers.push(received.subarray(0, length));
        received = received.subarray(length);
        if (answers.length === requests.length) resolve(answers);
        else next();
      });
      socket.once("error", reject);
      socket.once("close", () => {
        reject(new UnavailableError(`port ${port} closed the connection`));
      });
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

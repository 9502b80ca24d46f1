import { connect, type Socket } from "node:net";
import { UnavailableError } from "@hybridge/core";

/**
 * Asks a broker for its metadata: it answers with itself only when it is registered and unfenced.
 * Metadata request v1 with an empty list of topics.
 * @see https://kafka.apache.org/protocol#The_Messages_Metadata
 */
export async function probeKafka(port: number, signal: AbortSignal): Promise<void> {
  const client = Buffer.from("hybridge-probe");
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + client.length + 4);
  let at = body.writeInt32BE(body.length - 4, 0);
  at = body.writeInt16BE(3, at); // Metadata
  at = body.writeInt16BE(1, at);
  at = body.writeInt32BE(1, at); // correlation id
  at = body.writeInt16BE(client.length, at);
  at += client.copy(body, at);
  body.writeInt32BE(0, at);
  const answer = await exchange(port, body, signal, (data) =>
    data.length >= 4 ? 4 + data.readInt32BE(0) : undefined,
  );
  const brokers = answer.readInt32BE(8);
  if (brokers < 1) throw new UnavailableError(`the broker on port ${port} is not registered yet`);
}

/**
 * Opens a SASL PLAIN exchange as a client of HiveServer2 does and wants COMPLETE (5): the server
 * answers it only after its metastore and session manager are up.
 * @see https://thrift.apache.org/docs/sasl.html (status byte, length, payload)
 */
export async function probeHive(port: number, signal: AbortSignal): Promise<void> {
  const mechanism = Buffer.from("PLAIN");
  const credentials = Buffer.from("\0hybridge\0hybridge");
  const request = Buffer.concat([saslMessage(1, mechanism), saslMessage(2, credentials)]);
  const answer = await exchange(port, request, signal, (data) =>
    data.length >= 5 ? 5 + data.readUInt32BE(1) : undefined,
  );
  const status = answer[0];
  if (status !== 5) {
    throw new UnavailableError(`HiveServer2 on port ${port} refused a log-in (SASL ${status})`);
  }
}

/** GET; any 2xx is healthy. Returns the body. */
export async function probeHttp(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: "manual" });
  const body = await response.text();
  if (!response.ok) {
    throw new UnavailableError(`GET ${url} answers ${response.status}: ${body.slice(0, 200)}`);
  }
  return body;
}

function saslMessage(status: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(status, 0);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Sends bytes and reads one frame; `frameLength` says how long it is, once that is known. */
async function exchange(
  port: number,
  request: Buffer,
  signal: AbortSignal,
  frameLength: (data: Buffer) => number | undefined,
): Promise<Buffer> {
  signal.throwIfAborted();
  const socket: Socket = connect({ port, host: "127.0.0.1" });
  const onAbort = () => socket.destroy(new UnavailableError(`no answer from port ${port} in time`));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      let received = Buffer.alloc(0);
      socket.once("connect", () => socket.write(request));
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const length = frameLength(received);
        if (length !== undefined && received.length >= length) resolve(received);
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

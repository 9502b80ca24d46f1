import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** Types of HTTP/2 frames (RFC 9113, section 6). */
export const DATA = 0;
export const RST_STREAM = 3;
const FRAME_HEADER = 9;

/** A proxy that keeps what a client sends, and then passes it on in one piece. */
export interface HoldingProxy extends AsyncDisposable {
  readonly address: string;
  hold(): void;
  /** Resolves when a frame of this type is among what is kept. */
  holds(frameType: number): Promise<void>;
  release(): void;
}

export async function startHoldingProxy(target: string): Promise<HoldingProxy> {
  const [host, port] = target.split(":");
  const sockets = new Set<Socket>();
  let kept: Buffer[] | undefined;
  let upstream: Socket | undefined;
  const server = createServer((client) => {
    const behind = connect(Number(port), host);
    upstream = behind;
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    behind.pipe(client);
    client.on("data", (bytes) => {
      if (kept) kept.push(bytes);
      else behind.write(bytes);
    });
    client.on("end", () => behind.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => (kept = []),
    async holds(frameType) {
      while (!frameTypes(Buffer.concat(kept ?? [])).includes(frameType)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    release() {
      const bytes = Buffer.concat(kept ?? []);
      kept = undefined;
      upstream?.write(bytes);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + FRAME_HEADER <= bytes.length;) {
    types.push(bytes.readUInt8(at + 3));
    at += FRAME_HEADER + bytes.readUIntBE(at, 3);
  }
  return types;
}

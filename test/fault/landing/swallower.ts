import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** Between clients and a server, it lets requests through and can lose their answers. */
export interface Swallower extends AsyncDisposable {
  readonly url: string;
  /** The next so many answers are lost: the request has its effect, and the connection breaks. */
  swallow(answers: number): void;
  /** Answers that are still to be lost. */
  readonly left: number;
}

export async function startSwallower(target: URL): Promise<Swallower> {
  let left = 0;
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // What breaks here breaks on purpose, or because the server was killed.
    socket.on("error", () => socket.destroy());
  };
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    track(client);
    track(upstream);
    client.pipe(upstream);
    upstream.on("data", (bytes) => {
      if (left > 0) {
        left -= 1;
        client.destroy();
        upstream.destroy();
      } else if (!client.write(bytes)) {
        upstream.pause();
        client.once("drain", () => upstream.resume());
      }
    });
    upstream.once("close", () => client.destroy());
    client.once("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    swallow: (answers) => {
      left += answers;
    },
    get left() {
      return left;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

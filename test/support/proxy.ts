import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A TCP proxy that misbehaves on command. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection at once, in both directions. */
  cut(): void;
  /** Holds back what comes from the server for so long. */
  delay(ms: number): void;
  /**
   * Lets requests through and swallows the answers; ends the connections after `ms`. The server
   * has done what it was asked to, and the client will never know.
   */
  swallow(ms: number): Promise<void>;
}

/** Listens on a port of 127.0.0.1 (0: a free one) and forwards to another. */
export async function startProxy(options: { port: number; to: () => number }): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let delayMs = 0;
  let isSwallowing = false;
  const server = createServer((client) => {
    const upstream = connect(options.to(), "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      if (isSwallowing) return;
      if (delayMs === 0) client.write(chunk);
      else setTimeout(() => client.writable && client.write(chunk), delayMs);
    });
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
  const cut = () => {
    for (const [client, upstream] of [...pairs]) {
      client.destroy();
      upstream.destroy();
    }
  };
  return {
    port,
    cut,
    delay: (ms) => {
      delayMs = ms;
    },
    async swallow(ms) {
      isSwallowing = true;
      await new Promise((resolve) => setTimeout(resolve, ms));
      isSwallowing = false;
      cut();
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

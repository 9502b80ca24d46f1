import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { followFrames, type FramePart } from "./frames.ts";

/** A TCP proxy between Kafka clients and one broker that misbehaves on command. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection at once, in both directions. */
  cut(): void;
  /** Holds back what comes from the server for so long, from now on; 0 for not at all. */
  delay(ms: number): void;
  /** Lets so many bytes a second through to the server, over all connections; 0 for any number. */
  narrow(bytesPerSecond: number): void;
  /**
   * Lets everything through but the answers to one kind of request, until told to end: the broker
   * does what it is asked to, and the client will never know.
   *
   * @param apiKey see `apiKeys`
   */
  swallowAnswers(apiKey: number): Swallowing;
  /**
   * Lets one half of the next answer through and ends its connection.
   *
   * @returns false when no answer came within `ms`
   */
  tearAnswer(ms: number): Promise<boolean>;
}

/** Answers that are being swallowed. */
export interface Swallowing {
  /** How many so far. */
  readonly count: number;
  /** Ends all connections, and then lets answers through again. */
  end(): void;
}

/** @see https://kafka.apache.org/protocol#protocol_api_keys */
export const apiKeys = { produce: 0, initProducerId: 22, addPartitionsToTxn: 24 } as const;

/** What the proxy does at the moment, to all connections. */
interface Mischief {
  delayMs: number;
  bytesPerSecond: number;
  /** When the narrow way is free again. */
  freeAtMs: number;
  swallowing: { readonly apiKey: number; count: number } | undefined;
  tear: (() => void) | undefined;
}

/** Length, then for requests: API key, version, correlation id; for answers: correlation id. */
const REQUEST_HEAD_BYTES = 12;
const ANSWER_HEAD_BYTES = 8;

/** Listens on a port of 127.0.0.1 (0: a free one) and forwards to another. */
export async function startProxy(options: { port: number; to: () => number }): Promise<Proxy> {
  const links = new Set<Link>();
  const mischief: Mischief = {
    ...{ delayMs: 0, bytesPerSecond: 0, freeAtMs: 0 },
    ...{ swallowing: undefined, tear: undefined },
  };
  const server = createServer((client) => {
    const link = new Link(client, connect(options.to(), "127.0.0.1"), mischief, () => {
      links.delete(link);
    });
    links.add(link);
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
  const cut = () => {
    for (const link of [...links]) link.end();
  };
  return {
    port,
    cut,
    delay: (ms) => {
      mischief.delayMs = ms;
    },
    narrow: (bytesPerSecond) => {
      mischief.bytesPerSecond = bytesPerSecond;
    },
    swallowAnswers(apiKey) {
      const swallowing = (mischief.swallowing = { apiKey, count: 0 });
      return {
        get count() {
          return swallowing.count;
        },
        end() {
          cut();
          mischief.swallowing = undefined;
        },
      };
    },
    async tearAnswer(ms) {
      return await new Promise<boolean>((resolve) => {
        const finish = (isTorn: boolean) => {
          clearTimeout(timer);
          mischief.tear = undefined;
          resolve(isTorn);
        };
        const timer = setTimeout(finish, ms, false);
        mischief.tear = () => finish(true);
      });
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One client's connection and the one to the server that belongs to it. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #mischief: Mischief;
  readonly #onEnd: () => void;
  /** What the answers that are to come are answers to: API keys by correlation id. */
  readonly #asked = new Map<number, number>();
  readonly #later: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isDropping = false;
  #isTorn = false;

  constructor(client: Socket, server: Socket, mischief: Mischief, onEnd: () => void) {
    this.#client = client;
    this.#server = server;
    this.#mischief = mischief;
    this.#onEnd = onEnd;
    const end = () => this.end();
    for (const socket of [client, server]) {
      socket.setNoDelay(true).on("error", end).on("close", end);
    }
    const requests = followFrames(REQUEST_HEAD_BYTES);
    client.on("data", (chunk) => {
      for (const { head, isFirst } of requests(chunk)) {
        if (isFirst) this.#asked.set(head.readInt32BE(8), head.readInt16BE(4));
      }
      this.#ask(chunk);
    });
    client.on("end", () => server.end());
    server.on("drain", () => client.resume());
    const answers = followFrames(ANSWER_HEAD_BYTES);
    server.on("data", (chunk) => {
      client.cork();
      for (const part of answers(chunk)) this.#answer(part);
      client.uncork();
    });
    client.on("drain", () => server.resume());
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#client.destroy();
    this.#server.destroy();
    this.#onEnd();
  }

  /** A chunk that is on the narrow way holds up those behind it. */
  #ask(chunk: Buffer): void {
    const { bytesPerSecond } = this.#mischief;
    if (bytesPerSecond === 0) {
      if (this.#server.writable && !this.#server.write(chunk)) this.#client.pause();
      return;
    }
    this.#client.pause();
    const now = performance.now();
    const dueMs = Math.max(now, this.#mischief.freeAtMs) + (chunk.length * 1_000) / bytesPerSecond;
    this.#mischief.freeAtMs = dueMs;
    setTimeout(() => {
      if (this.#server.writable) this.#server.write(chunk);
      this.#client.resume();
    }, dueMs - now);
  }

  #answer({ bytes, head, isFirst }: FramePart): void {
    // A connection loses its end, and nothing from its middle.
    if (this.#isTorn) return;
    if (isFirst) {
      const correlationId = head.readInt32BE(4);
      const { swallowing } = this.#mischief;
      this.#isDropping = false;
      if (swallowing && swallowing.apiKey === this.#asked.get(correlationId)) {
        this.#isDropping = true;
        swallowing.count += 1;
      }
      this.#asked.delete(correlationId);
    }
    if (this.#isDropping) return;
    const { tear } = this.#mischief;
    if (!isFirst || !tear) {
      this.#send(bytes);
      return;
    }
    this.#mischief.tear = undefined;
    // The half has to be on its way before the connection ends, or it would be none at all.
    this.#client.uncork();
    this.#client.write(bytes.subarray(0, bytes.length >> 1), () => {
      this.end();
      tear();
    });
    this.#isTorn = true;
  }

  /** Bytes leave in the order in which they came, also when the delay changes between them. */
  #send(bytes: Buffer): void {
    const { delayMs } = this.#mischief;
    if (delayMs > 0 || this.#later.length > 0) {
      this.#later.push({ bytes, dueMs: performance.now() + delayMs });
      if (this.#later.length === 1) this.#schedule();
    } else if (this.#client.writable && !this.#client.write(bytes)) this.#server.pause();
  }

  #schedule(): void {
    const [first] = this.#later;
    if (!first) return;
    const flush = () => {
      this.#client.cork();
      // All that are due at once: a timer for each would let no more than one a millisecond pass.
      const now = performance.now();
      for (let next = this.#later[0]; next && next.dueMs <= now; next = this.#later[0]) {
        this.#later.shift();
        if (this.#client.writable) this.#client.write(next.bytes);
      }
      this.#client.uncork();
      this.#schedule();
    };
    this.#timer = setTimeout(flush, Math.max(0, first.dueMs - performance.now()));
  }
}

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ClusterOptions, SaslOptions } from "../api.ts";
import {
  ConnectionLostError,
  MalformedError,
  RequestTimeoutError,
  UnsupportedBrokerError,
} from "../errors.ts";
import { readApiVersions, writeApiVersions, type VersionRange } from "./api-versions.ts";
import type { FramePool } from "./frame-pool.ts";
import { FrameAssembler } from "./frames.ts";
import { Login } from "./login.ts";
import { ProtocolReader } from "./reader.ts";
import { ProtocolWriter } from "./writer.ts";

/** One request of the protocol, in the one version that this client speaks. */
export interface Api {
  readonly name: string;
  readonly key: number;
  readonly version: number;
  /** False only for the few requests of the older header; default true. */
  readonly flexible?: boolean;
}

/** A request of the protocol in the versions that this client speaks, both ends included. */
export interface ApiVersions {
  readonly name: string;
  readonly key: number;
  readonly min: number;
  readonly max: number;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly cluster: ClusterOptions;
  readonly signal: AbortSignal;
  readonly connectTimeoutMs?: number;
  /** Where large frames come from; whoever gets one gives it back, or does not. */
  readonly frames?: FramePool;
}

interface RequestOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly api: Api;
  readonly correlationId: number;
  readonly sentAt: number;
  readonly timeoutMs: number;
  readonly resolve: (body: ProtocolReader) => void;
  readonly reject: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** A response to a fetch of 64 MiB fits; a greater length is another protocol's bytes. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/**
 * One connection to one broker: frames, correlation, time-outs. A broker answers the requests of
 * a connection in their order, so several may be under way. When anything goes wrong the
 * connection is dead as a whole and all requests fail: there is no half-broken state.
 */
export class Connection implements AsyncDisposable {
  readonly address: string;
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #pending: Pending[] = [];
  readonly #frames: FrameAssembler;
  #head = 0;
  #correlationId = 0;
  #failure: Error | undefined;
  /** When bytes came last, or are to come again: a broker that throttles says for how long. */
  #progressAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #versions: ReadonlyMap<number, VersionRange> = new Map();
  #login: Login | undefined;

  private constructor(options: ConnectOptions) {
    const { host, port, cluster } = options;
    this.address = `${host}:${port}`;
    this.#clientId = cluster.clientId;
    this.#frames = new FrameAssembler(
      FRAME_BYTES_MAX,
      (frame) => this.#receive(frame),
      (bytes) => (options.frames ? options.frames.take(bytes) : Buffer.allocUnsafeSlow(bytes)),
    );
    const onread = {
      // The kernel writes straight into the frame: no copy and no buffer per chunk.
      buffer: () => this.#frames.room(),
      callback: (bytes: number) => this.#onBytes(bytes),
    };
    const tls = typeof cluster.tls === "function" ? cluster.tls() : cluster.tls;
    this.#socket = tls
      ? connectTls({ servername: serverName(host), ...tls, host, port })
      : connectTcp({ host, port, onread, noDelay: true });
    if (tls) this.#socket.setNoDelay(true).on("data", (chunk) => this.#onChunk(chunk));
    this.#socket.on("error", (error) => this.#fail(this.#lost("the connection broke", error)));
    this.#socket.on("close", () => this.#fail(this.#lost("the broker closed the connection")));
  }

  /** Connects, asks for the broker's versions, authenticates. */
  static async open(options: ConnectOptions): Promise<Connection> {
    options.signal.throwIfAborted();
    const connection = new Connection(options);
    try {
      await connection.#established(options);
      connection.#versions = await connection.#negotiate(options.signal);
      const { sasl } = options.cluster;
      if (sasl) await connection.#logIn(sasl, options.signal);
      return connection;
    } catch (error) {
      connection.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  get inFlight(): number {
    return this.#pending.length - this.#head;
  }

  /** @throws UnsupportedBrokerError unless the broker offers this version of the request */
  require(api: Api): void {
    const range = this.#versions.get(api.key);
    if (range && range.min <= api.version && api.version <= range.max) return;
    throw new UnsupportedBrokerError(
      `send ${api.name} v${api.version} to ${this.address}: the broker offers ` +
        (range ? `v${range.min} to v${range.max}` : "none of it") +
        "; Kafka 3.1 or later is needed",
    );
  }

  /**
   * The newest version that both sides speak.
   *
   * @throws UnsupportedBrokerError when there is none
   */
  choose({ name, key, min, max }: ApiVersions): Api {
    const version = Math.min(max, this.#versions.get(key)?.max ?? min);
    const api = { name, key, version: Math.max(version, min) };
    this.require(api);
    return api;
  }

  /**
   * Sends a request and resolves with the body of its response, as a view of the received frame
   * that belongs to the caller.
   */
  request(api: Api, body: ProtocolWriter, options: RequestOptions = {}): Promise<ProtocolReader> {
    if (!this.#login) return this.#dispatch(api, body, options);
    return this.#login.pass(() => this.#dispatch(api, body, options), options.signal);
  }

  #dispatch(api: Api, body: ProtocolWriter, options: RequestOptions): Promise<ProtocolReader> {
    if (this.#failure) return Promise.reject(this.#failure);
    const { signal, timeoutMs = 30_000 } = options;
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const correlationId = (this.#correlationId = (this.#correlationId + 1) & 0x7fffffff);
    this.#send(api, correlationId, body);
    return new Promise((resolve, reject) => {
      let settle = reject;
      if (signal) {
        const abort = () => reject(signal.reason as Error);
        signal.addEventListener("abort", abort, { once: true });
        settle = (error) => {
          signal.removeEventListener("abort", abort);
          reject(error);
        };
        const done = resolve;
        resolve = (reader) => {
          signal.removeEventListener("abort", abort);
          done(reader);
        };
      }
      const sentAt = performance.now();
      this.#pending.push({ api, correlationId, sentAt, timeoutMs, resolve, reject: settle });
      this.#watch(timeoutMs);
    });
  }

  /** The broker has said that it does not answer anything for so long (KIP-219). */
  throttled(forMs: number): void {
    if (forMs <= 0) return;
    this.#progressAt = Math.max(this.#progressAt, performance.now() + forMs);
  }

  /** How long a request that costs the broker nothing takes there and back, in milliseconds. */
  async ping(signal: AbortSignal): Promise<number> {
    const sentAt = performance.now();
    await this.request(writeApiVersions.api, writeApiVersions(), { signal });
    return performance.now() - sentAt;
  }

  /** Ends the connection at once; requests under way fail. */
  destroy(cause?: Error): void {
    this.#fail(this.#lost("the connection was closed by this side", cause));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await Promise.resolve();
  }

  #established(options: ConnectOptions): Promise<void> {
    const { cluster, signal, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        end(this.#lost(`no connection within ${connectTimeoutMs} ms`));
      }, connectTimeoutMs);
      const onAbort = () => end(signal.reason as Error);
      const onError = (error: Error) =>
        end(this.#lost("the connection could not be opened", error));
      const onClose = () => end(this.#failure ?? this.#lost("the broker closed the connection"));
      const end = (error?: Error) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#socket.off("error", onError).off("close", onClose);
        if (error) reject(error);
        else resolve();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#socket.once(cluster.tls ? "secureConnect" : "connect", () => end());
      this.#socket.prependListener("error", onError).prependListener("close", onClose);
    });
  }

  async #negotiate(signal: AbortSignal): Promise<ReadonlyMap<number, VersionRange>> {
    try {
      return readApiVersions(
        await this.request(writeApiVersions.api, writeApiVersions(), {
          timeoutMs: CONNECT_TIMEOUT_MS,
          signal,
        }),
        this.address,
      );
    } catch (error) {
      if (!(error instanceof ConnectionLostError) && !(error instanceof MalformedError))
        throw error;
      throw new ConnectionLostError(
        `ask ${this.address} for its versions: the connection ended on the first request; ` +
          "check that the port is a Kafka listener, and whether this listener wants TLS or SASL",
        { cause: error },
      );
    }
  }

  async #logIn(sasl: SaslOptions, signal: AbortSignal): Promise<void> {
    const login = new Login(
      sasl,
      {
        address: this.address,
        request: (api, body, options) => this.#dispatch(api, body, options),
        fail: (error) => this.#fail(error),
      },
      signal,
    );
    await login.begin();
    this.#login = login;
  }

  #send(api: Api, correlationId: number, body: ProtocolWriter): void {
    const header = new ProtocolWriter(64)
      .i32(0)
      .i16(api.key)
      .i16(api.version)
      .i32(correlationId)
      .plainString(this.#clientId);
    if (api.flexible !== false) header.noTags();
    const [first = Buffer.alloc(0), ...rest] = header.chunks();
    const chunks = body.chunks();
    let bytes = header.length - 4;
    for (const chunk of chunks) bytes += chunk.length;
    first.writeInt32BE(bytes, 0);
    this.#socket.cork();
    this.#socket.write(first);
    for (const chunk of rest) this.#socket.write(chunk);
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  #onBytes(bytes: number): boolean {
    this.#progressed();
    try {
      this.#frames.filled(bytes);
    } catch (error) {
      this.#fail(error as Error);
    }
    return this.#failure === undefined;
  }

  #onChunk(chunk: Buffer): void {
    this.#progressed();
    try {
      this.#frames.append(chunk);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #progressed(): void {
    this.#progressAt = Math.max(this.#progressAt, performance.now());
  }

  #receive(frame: Buffer): void {
    const reader = new ProtocolReader(frame);
    const correlationId = reader.i32();
    const pending = this.#pending[this.#head];
    if (pending?.correlationId !== correlationId) {
      throw new MalformedError(
        `receive from ${this.address}: answer ${correlationId} came, ${pending ? pending.correlationId : "none"} was due`,
      );
    }
    this.#pending[this.#head] = undefined as never;
    this.#head += 1;
    if (this.#head > 64 && this.#head * 2 > this.#pending.length) {
      this.#pending.splice(0, this.#head);
      this.#head = 0;
    }
    if (pending.api.flexible !== false && pending.api.key !== writeApiVersions.api.key) {
      reader.tags();
    }
    pending.resolve(reader);
  }

  /**
   * One timer for all requests; it looks at the oldest only, as answers come in order. Its time
   * counts from the last byte that came: over a slow link many requests, or a large answer, are on
   * their way for longer than one request may take, and to give up would send them all again.
   */
  #watch(waitMs: number): void {
    if (this.#timer || this.#failure) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const oldest = this.#pending[this.#head];
      if (!oldest) return;
      const since = Math.max(oldest.sentAt, this.#progressAt);
      const leftMs = since + oldest.timeoutMs - performance.now();
      if (leftMs > 0) this.#watch(leftMs);
      else {
        this.#fail(
          new RequestTimeoutError(
            `send ${oldest.api.name} to ${this.address}: no answer came in time; the broker may be stopped or overloaded`,
          ),
        );
      }
    }, waitMs);
    this.#timer.unref();
  }

  #lost(what: string, cause?: Error): ConnectionLostError {
    return new ConnectionLostError(
      `talk to the broker at ${this.address}: ${what}`,
      cause ? { cause } : undefined,
    );
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    const waiting = this.#pending.splice(0).slice(this.#head);
    this.#head = 0;
    for (const pending of waiting) pending.reject(error);
    this.#login?.end(error);
  }
}

/** An address is no name that a certificate could be checked against by SNI (RFC 6066). */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? "" : host;
}

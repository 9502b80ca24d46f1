import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { UnavailableError, type HybridgeError } from "@hybridge/core";
import type { HiveAddress, HiveOptions } from "./api.ts";
import { ANSWER_BYTES_MAX, resultOf } from "./answers.ts";
import { HiveLoginError, HiveProtocolError } from "./errors.ts";
import { httpConnection } from "./http-connection.ts";
import { messageSplitter } from "./message-splitter.ts";
import { frame, plainLogin, saslReader } from "./sasl.ts";
import { addressText, credentialsOf, setUpError, tlsOptions } from "./server.ts";
import {
  decodeMessage,
  encodeMessage,
  messageType,
  struct,
  type Encoded,
  type Message,
  type Struct,
} from "./thrift.ts";

/**
 * One connection to HiveServer2. Calls may be made before the earlier ones are answered; the
 * server answers in order. When the socket is lost, every open call and every later one ends in
 * an UnavailableError.
 */
export interface Connection {
  readonly at: HiveAddress;
  readonly open: boolean;
  /** False for HTTP: there the server keeps a session until it is closed or was idle for hours. */
  readonly sessionsEndWithIt: boolean;
  /** @throws UnavailableError also when there is no answer in time, which ends the connection */
  call(method: string, request: Encoded, timeoutMs: number): Promise<Struct>;
  /** Ends it at once; where `sessionsEndWithIt`, the server then closes its sessions. */
  destroy(): void;
  /** Calls `listener` when the connection has ended, whatever the reason. */
  onEnd(listener: () => void): void;
}

interface OpenCall {
  readonly method: string;
  readonly resolve: (body: Struct) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** Connects and logs in. @throws UnavailableError, HiveLoginError, or the signal's reason */
export async function connect(
  options: HiveOptions,
  at: HiveAddress,
  connectMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted();
  if (options.transport === "http") return httpConnection(options, at);
  const address = addressText(at);
  const socket = openSocket(options, at);
  // Whatever happens to this socket later, its "error" has a listener.
  socket.on("error", () => undefined);
  try {
    await phase(socket, options.tls ? "secureConnect" : "connect", connectMs, signal, () => {
      return `cannot connect to HiveServer2 at ${address}${options.tls ? " with TLS" : ""}`;
    });
    const reader =
      options.auth === "nosasl" ? undefined : await logIn(socket, options, at, connectMs, signal);
    return connectionOver(socket, at, reader);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function openSocket(options: HiveOptions, { host, port }: HiveAddress): Socket {
  const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
  return options.tls ? connectTls({ ...common, ...tlsOptions(options.tls) }) : connectTcp(common);
}

async function logIn(
  socket: Socket,
  options: HiveOptions,
  at: HiveAddress,
  connectMs: number,
  signal: AbortSignal,
): Promise<ReturnType<typeof saslReader>> {
  const reader = saslReader();
  const { user, password } = credentialsOf(options);
  socket.write(plainLogin(user, password));
  while (!reader.loggedIn) {
    const chunk = await phase(socket, "data", connectMs, signal, () => {
      const where = `HiveServer2 at ${addressText(at)}`;
      return `${where} does not answer the log-in; check TLS, transport and hive.server2.authentication`;
    });
    reader.push(chunk as Buffer);
  }
  return reader;
}

/** Waits for one event of a socket that is being set up. */
async function phase(
  socket: Socket,
  event: "connect" | "secureConnect" | "data",
  limitMs: number,
  signal: AbortSignal,
  what: () => string,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const failed = (cause: unknown) => reject(setUpError(what(), cause));
  const onEvent = (value: unknown) => {
    // At once: what comes next belongs to whoever listens next.
    if (event === "data") socket.pause();
    resolve(value);
  };
  const onClose = () => failed(new Error("the connection was closed"));
  const onAbort = () => reject(signal.reason);
  const timer = setTimeout(() => failed(new Error(`no answer in ${limitMs} ms`)), limitMs);
  socket.once(event, onEvent).once("error", failed).once("close", onClose);
  signal.addEventListener("abort", onAbort, { once: true });
  if (event === "data") socket.resume();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.off(event, onEvent).off("error", failed).off("close", onClose);
  }
}

function connectionOver(
  socket: Socket,
  at: HiveAddress,
  sasl: ReturnType<typeof saslReader> | undefined,
): Connection {
  const address = addressText(at);
  const splitter = messageSplitter(ANSWER_BYTES_MAX);
  const calls = new Map<number, OpenCall>();
  const endListeners: (() => void)[] = [];
  let sequence = 0;
  let answered = false;
  let ended: HybridgeError | undefined;

  function end(error: HybridgeError): void {
    if (ended) return;
    ended = error;
    socket.destroy();
    for (const call of calls.values()) {
      clearTimeout(call.timer);
      call.reject(error);
    }
    calls.clear();
    for (const listener of endListeners) listener();
  }

  function receive(chunk: Buffer): void {
    try {
      for (const payload of sasl ? sasl.push(chunk) : [chunk]) {
        for (const message of splitter.push(payload)) answer(decodeMessage(message));
      }
    } catch (cause) {
      const known = cause instanceof HiveProtocolError || cause instanceof HiveLoginError;
      end(known ? cause : new HiveProtocolError(`cannot read what ${address} sends`, { cause }));
    }
  }

  function answer(message: Message): void {
    const call = calls.get(message.sequence);
    if (call?.method !== message.name) {
      throw new HiveProtocolError(`HiveServer2 at ${address} answers a ${message.name} unasked`);
    }
    calls.delete(message.sequence);
    clearTimeout(call.timer);
    answered = true;
    try {
      call.resolve(resultOf(message, address));
    } catch (error) {
      call.reject(error);
    }
  }

  socket.on("data", receive);
  socket.on("error", (cause) =>
    end(new UnavailableError(`lost HiveServer2 at ${address}`, { cause })),
  );
  socket.on("close", () => {
    // What a server does that wants a log-in, or TLS, and gets neither.
    const hint = answered ? "" : "; check HYBRIDGE_HIVE_AUTH, HYBRIDGE_HIVE_TLS and _TRANSPORT";
    end(new UnavailableError(`HiveServer2 at ${address} hung up${hint}`));
  });
  socket.resume();
  return {
    at,
    sessionsEndWithIt: true,
    get open() {
      return ended === undefined;
    },
    call(method, request, timeoutMs) {
      if (ended) return Promise.reject(ended);
      const { promise, resolve, reject } = Promise.withResolvers<Struct>();
      const timer = setTimeout(() => {
        end(
          new UnavailableError(
            `HiveServer2 at ${address} did not answer ${method} in ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      const id = (sequence = (sequence + 1) & 0x7fffffff);
      calls.set(id, { method, resolve, reject, timer });
      const message = encodeMessage(messageType.call, method, id, struct({ 1: request }));
      socket.write(sasl ? frame(message) : message);
      return promise;
    },
    destroy: () =>
      end(new UnavailableError(`the connection to HiveServer2 at ${address} was ended`)),
    onEnd(listener) {
      if (ended) listener();
      else endListeners.push(listener);
    },
  };
}

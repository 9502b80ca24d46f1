import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  credentials,
  InterceptingCall,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type Interceptor,
  type ServiceError,
} from "@grpc/grpc-js";
import { callErrorOf } from "./status.ts";

export interface ClientAccess {
  /** Sent as `authorization: Bearer TOKEN`. */
  readonly token?: string | undefined;
  /** PEM text of the authorities that signed the server's certificate; turns TLS on. */
  readonly ca?: string | undefined;
}

/**
 * A client of a generated service for one address (`host:port`). It connects at the first call and
 * again whenever the connection was lost; close() it.
 */
export function createClient<C extends Client>(
  ClientOfService: new (
    address: string,
    credentials: ChannelCredentials,
    options?: Partial<ClientOptions>,
  ) => C,
  address: string,
  access: ClientAccess = {},
): C {
  const { channel, options } =
    access.ca === undefined
      ? { channel: credentials.createInsecure(), options: {} }
      : secured(access.ca, address);
  return new ClientOfService(address, channel, {
    ...options,
    // A restarted server is found again within a second, not after the default of two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    // A row of a result is never split, and a post may have megabytes.
    "grpc.max_receive_message_length": 32 * 1024 * 1024,
    interceptors: access.token === undefined ? [] : [bearer(access.token)],
  });
}

/**
 * grpc-js sends the host as the name of the server. An IP address is none (RFC 6066; Node warns), so
 * that another one goes in its place; the certificate is checked against the address all the same.
 */
function secured(ca: string, address: string) {
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) === 0) return { channel: credentials.createSsl(Buffer.from(ca)), options: {} };
  const verify = {
    checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
      checkServerIdentity(host, certificate),
  };
  return {
    channel: credentials.createSsl(Buffer.from(ca), null, null, verify),
    options: { "grpc.ssl_target_name_override": "localhost" },
  };
}

export interface CallLimits {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls a unary method, bound to its client: `callUnary(client.getStatus.bind(client), {}, ...)`.
 *
 * @throws RpcCallError with the server's error code as `reason`
 */
export function callUnary<Req, Res>(
  method: (
    request: Req,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, response: Res) => void,
  ) => ClientUnaryCall,
  request: Req,
  limits: CallLimits,
): Promise<Res> {
  const { signal } = limits;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const options = { deadline: Date.now() + limits.deadlineMs };
    const cancel = () => {
      call.cancel();
    };
    const call = method(request, new Metadata(), options, (error, response) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(signal?.aborted ? (signal.reason as Error) : callErrorOf(error));
    });
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/**
 * Calls a server-streaming method, bound to its client. Leaving the loop cancels the call.
 *
 * @throws RpcCallError with the server's error code as `reason`
 */
export async function* callServerStream<Req, Res>(
  method: (
    request: Req,
    metadata?: Metadata,
    options?: Partial<CallOptions>,
  ) => ClientReadableStream<Res>,
  request: Req,
  limits: CallLimits,
): AsyncGenerator<Res, void, undefined> {
  const { signal } = limits;
  signal?.throwIfAborted();
  const call = method(request, new Metadata(), { deadline: Date.now() + limits.deadlineMs });
  const cancel = () => {
    call.cancel();
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of call) yield message as Res;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw isServiceError(error) ? callErrorOf(error) : error;
  } finally {
    signal?.removeEventListener("abort", cancel);
    // After the end it does nothing; before, the server stops working for nobody. The error that it
    // makes has no reader left.
    call.on("error", () => undefined);
    call.cancel();
  }
}

function bearer(token: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

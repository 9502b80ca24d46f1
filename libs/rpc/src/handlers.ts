import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerWritableStream,
} from "@grpc/grpc-js";
import { requireDeadline, statusOf } from "./status.ts";

/** What a handler knows about the call that it answers. */
export interface Call {
  /** Aborted when the caller cancels, disconnects or its deadline passes. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
  readonly deadline: Date;
}

/**
 * Makes a grpc-js handler of an async function. Calls without a deadline are refused; what the
 * function throws becomes a status (see statusOf).
 */
export function unary<Req, Res>(
  handler: (request: Req, call: Call) => Promise<Res>,
): handleUnaryCall<Req, Res> {
  return (serverCall, callback) => {
    const scope = openCall(serverCall);
    const answer = async () => handler(serverCall.request, scope.call());
    answer().then(
      (response) => {
        scope.close();
        callback(null, response);
      },
      (error: unknown) => {
        scope.close();
        callback(statusOf(error, scope.signal));
      },
    );
  };
}

/**
 * Makes a grpc-js handler of an async generator. The next message is asked for only when the
 * transport has room for it; cancellation and the deadline end the generator by return().
 */
export function serverStream<Req, Res>(
  handler: (request: Req, call: Call) => AsyncIterable<Res>,
): handleServerStreamingCall<Req, Res> {
  return (serverCall) => {
    void streamAnswer(handler, serverCall);
  };
}

async function streamAnswer<Req, Res>(
  handler: (request: Req, call: Call) => AsyncIterable<Res>,
  serverCall: ServerWritableStream<Req, Res>,
): Promise<void> {
  const scope = openCall(serverCall);
  try {
    for await (const message of handler(serverCall.request, scope.call())) {
      scope.signal.throwIfAborted();
      if (!serverCall.write(message)) await drained(serverCall, scope.signal);
    }
    scope.signal.throwIfAborted();
    serverCall.end();
  } catch (error) {
    // "error" is how a grpc-js stream is given its status; it ends the stream after what was written.
    serverCall.emit("error", statusOf(error, scope.signal));
  } finally {
    scope.close();
  }
}

function openCall(serverCall: ServerCallSurface) {
  const controller = new AbortController();
  const cancel = () => {
    controller.abort(new DOMException("the caller cancelled the call", "AbortError"));
  };
  const expire = () => {
    controller.abort(new DOMException("the deadline of the call has passed", "TimeoutError"));
  };
  const deadline = serverCall.getDeadline();
  // grpc-js has a timer of its own, but it tells the handler only once the status was sent, which
  // never happens while the caller does not read.
  const remainingMs = new Date(deadline).getTime() - Date.now();
  const timer = Number.isFinite(remainingMs)
    ? setTimeout(expire, Math.min(Math.max(remainingMs, 0), 2 ** 31 - 1))
    : undefined;
  serverCall.on("cancelled", cancel);
  return {
    signal: controller.signal,
    call: (): Call => ({
      signal: controller.signal,
      metadata: serverCall.metadata,
      deadline: requireDeadline(deadline),
    }),
    close: () => {
      clearTimeout(timer);
      serverCall.off("cancelled", cancel);
    },
  };
}

/** What the server's side of unary and streaming calls has in common. */
interface ServerCallSurface {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  on(event: "cancelled", listener: () => void): unknown;
  off(event: "cancelled", listener: () => void): unknown;
}

function drained(stream: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      stream.off("drain", onDrain);
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    stream.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

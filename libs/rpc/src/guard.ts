import { createHash, timingSafeEqual } from "node:crypto";
import {
  Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  status,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import type { Emit } from "@hybridge/core";

const OPEN_TO_ALL = "/grpc.health.v1.Health/";

/** Statuses that mean a fault of ours, not of the caller. */
const OUR_FAULT = new Set<status>([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS]);

/** Checks the bearer token of every call but health checks, and reports how each call ended. */
export function guardCalls(options: {
  readonly token: string | undefined;
  readonly emit: Emit;
}): ServerInterceptor {
  const wanted = options.token === undefined ? undefined : digest(`Bearer ${options.token}`);
  return (method, call) => {
    const startedMs = performance.now();
    const authorised = (metadata: Metadata) =>
      wanted === undefined ||
      method.path.startsWith(OPEN_TO_ALL) ||
      timingSafeEqual(wanted, digest(String(metadata.get("authorization")[0] ?? "")));
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        if (authorised(metadata)) next(metadata);
        else {
          call.sendStatus({
            code: status.UNAUTHENTICATED,
            details: "the call needs `authorization: Bearer TOKEN` with the server's token",
            metadata: new Metadata(),
          });
        }
      })
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => {
        next(listener);
      })
      .withSendStatus((result, next) => {
        report(options.emit, method.path, result, (performance.now() - startedMs) / 1000);
        next(result);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
}

/** Digests have one length, whatever the caller sent, which timingSafeEqual asks for. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function report(
  emit: Emit,
  path: string,
  result: { readonly code?: status; readonly details?: string },
  seconds: number,
): void {
  const code = result.code ?? status.OK;
  const labels = { method: path.slice(1), code: status[code] };
  const failed = OUR_FAULT.has(code);
  emit({
    name: failed ? "rpc.failed" : "rpc.finished",
    level: failed ? "error" : "debug",
    message: `${labels.method} answered ${labels.code}`,
    fields: { ...labels, seconds, ...(code === status.OK ? {} : { details: result.details }) },
    measurements: [
      { kind: "counter", name: "hybridge_rpc_calls_total", value: 1, labels },
      { kind: "histogram", name: "hybridge_rpc_seconds", value: seconds, labels },
    ],
  });
}

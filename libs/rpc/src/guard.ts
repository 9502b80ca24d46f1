import {
  Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  status,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import type { Emit } from "@hybridge/core";
import type { Caller } from "./callers.ts";

const OPEN_TO_ALL = "/grpc.health.v1.Health/";
/** Reflection tells what a server has, and changes nothing. */
const REFLECTION = "/grpc.reflection.";

/** How a call ended. */
interface Result {
  readonly code?: status;
  readonly details?: string | null;
}

/** Statuses that mean a fault of ours, not of the caller. */
const OUR_FAULT = new Set<status>([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS]);

export interface GuardOptions {
  /** Whose token an `authorization` header carries; undefined for nobody's. */
  readonly callerOf: (authorization: string) => Caller | undefined;
  /** Paths of the methods that change nothing; all others need the scope control. */
  readonly reads: ReadonlySet<string>;
  readonly emit: Emit;
}

/**
 * Checks the token and its scope on every call but health checks, reports how each call ended, and
 * logs each call that may change something with its caller, whether it was let in or not.
 */
export function guardCalls(options: GuardOptions): ServerInterceptor {
  return (method, call) => {
    const startedMs = performance.now();
    const { path } = method;
    const open = path.startsWith(OPEN_TO_ALL);
    const reads = open || path.startsWith(REFLECTION) || options.reads.has(path);
    let caller: Caller | undefined;
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        if (!open) caller = options.callerOf(String(metadata.get("authorization")[0] ?? ""));
        const refusal = open ? undefined : refusalOf(caller, reads);
        if (refusal === undefined) next(metadata);
        else call.sendStatus({ ...refusal, metadata: new Metadata() });
        // A refusal does not pass the responder.
        if (refusal !== undefined) ended(refusal);
      })
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => {
        next(listener);
      })
      .withSendStatus((result, next) => {
        ended(result);
        next(result);
      })
      .build();
    function ended(result: Result): void {
      report(options.emit, path, result, (performance.now() - startedMs) / 1000);
      if (!reads) audit(options.emit, path, result, nameOf(caller, call));
    }
    return new ServerInterceptingCall(call, responder);
  };
}

function refusalOf(
  caller: Caller | undefined,
  reads: boolean,
): { readonly code: status; readonly details: string } | undefined {
  if (caller === undefined) {
    return {
      code: status.UNAUTHENTICATED,
      details: "the call needs `authorization: Bearer TOKEN` with a token of the server",
    };
  }
  if (reads || caller.scope === "control") return undefined;
  return {
    code: status.PERMISSION_DENIED,
    details: `the token of ${caller.name} has the scope read, and this call needs control (HYBRIDGE_RPC_TOKENS)`,
  };
}

/** The token's name, the subject of the caller's certificate where it showed one, and its address. */
function nameOf(caller: Caller | undefined, call: ServerInterceptingCallInterface): string {
  const subject = call.getAuthContext().sslPeerCertificate?.subject.CN;
  const certificate = subject === undefined ? [] : [`CN=${String(subject)}`];
  return [caller?.name ?? "unknown token", ...certificate, `from ${call.getPeer()}`].join(" ");
}

function report(emit: Emit, path: string, result: Result, seconds: number): void {
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

function audit(emit: Emit, path: string, result: Result, caller: string): void {
  const method = path.slice(1);
  const code = status[result.code ?? status.OK];
  emit({
    name: "rpc.control",
    level: "info",
    message: `${caller} called ${method}: ${code}`,
    fields: { method, caller, code },
  });
}

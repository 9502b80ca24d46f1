import { HybridgeError, UnavailableError } from "@hybridge/core";
import { HiveStatementError } from "./errors.ts";

export interface ServerFailure {
  readonly sqlState: string | undefined;
  readonly vendorCode: unknown;
  readonly message: string | undefined;
  /** The server does not know the handle. */
  readonly forgotten?: boolean;
}

/** The server is a new one, or closed what we had: nothing of the statement has been done. */
export class HandleForgottenError extends UnavailableError {}

/**
 * What Hive says when something behind it is away: HDFS, the metastore, its database, the
 * engine's workers. It has no error codes for these, so the names of the Java exceptions must do.
 */
const AWAY =
  /ConnectException|Connection refused|SafeModeException|safe mode|StandbyException|NoRouteToHost|SocketTimeoutException|SocketException|EOFException: End of File Exception between local host|UnknownHostException|TTransportException|Could not connect to meta ?store|Unable to instantiate .*MetaStoreClient|JDOFatalDataStore|JDODataStoreException|SQLTransient|Connection is not available|Too many (?:open )?(?:connections|sessions)|Connection limit .* reached|could only be (?:replicated|written) to 0|Shutting down|has been shut ?down|NonTransientConnection|Tez session .*(?:lost|closed|failed to start)/i;

/** Locks, and statements that were ended by somebody else, are worth another try too. */
const BUSY = /Unable to acquire .*lock|LockException|Error in acquiring locks/i;

const FORGOTTEN = /Invalid (?:Session|Operation)Handle/i;

/** Turns what HiveServer2 says into an error that knows whether trying again can help. */
export function failureOf(attempt: string, failure: ServerFailure): HybridgeError {
  const message = (failure.message ?? "no message").trim();
  const sqlState = failure.sqlState ?? "";
  const vendorCode = Number(failure.vendorCode ?? 0);
  const code = vendorCode === 0 ? "" : `, code ${vendorCode}`;
  const text = `Hive could not ${attempt} (SQLSTATE ${sqlState || "none"}${code}): ${firstLines(message)}`;
  if (failure.forgotten === true || FORGOTTEN.test(message)) {
    return new HandleForgottenError(`${text}; HiveServer2 was restarted or closed the session`);
  }
  const cause = new HiveStatementError(text, { sqlState, vendorCode });
  if (AWAY.test(message)) {
    return new UnavailableError("what Hive needs does not answer", { cause });
  }
  return BUSY.test(message) ? new UnavailableError("Hive is busy", { cause }) : cause;
}

/** Hive adds stack traces to some messages. */
function firstLines(message: string): string {
  const [first = ""] = message.split(/\n\s*at /);
  return first.length > 2000 ? `${first.slice(0, 2000)}...` : first;
}

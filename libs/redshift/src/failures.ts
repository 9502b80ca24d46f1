import {
  RedshiftAbortedError,
  RedshiftAccessError,
  RedshiftConflictError,
  RedshiftInterruptedError,
  RedshiftRequestError,
  RedshiftStatementError,
  RedshiftUnavailableError,
  type StatementEndedError,
  type StatementIdentity,
} from "./errors.ts";

const ACCESS = new Set([
  "AccessDeniedException",
  "CredentialsProviderError",
  "ExpiredTokenException",
  "IncompleteSignature",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "OptInRequired",
  "UnrecognizedClientException",
]);
/** Quotas and troubles of the service that pass (Data API Reference: "Errors"). */
const PASSING = new Set([
  "ActiveSessionsExceededException",
  "ActiveStatementsExceededException",
  "ActiveWaitingRequestsExceededException",
  "DatabaseConnectionException",
  "InternalServerException",
  "QueryTimeoutException",
  "RequestTimeout",
  "ServiceUnavailable",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
]);

/** The name of an error of the SDK, which is the code of the service where it answered. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Names an error of the SDK. @param attempted what was asked, of which warehouse */
export function requestError(
  attempted: string,
  error: unknown,
): RedshiftUnavailableError | RedshiftAccessError | RedshiftRequestError {
  const name = nameOf(error);
  const said = error instanceof Error ? error.message || name : String(error);
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  const options = { cause: error };
  if (ACCESS.has(name) || status === 401 || status === 403) {
    const advice = "Check the credentials, the clock, and the rights on the workgroup or cluster.";
    return new RedshiftAccessError(`${attempted}: ${name}: ${said}. ${advice}`, options);
  }
  if (status === undefined) {
    return new RedshiftUnavailableError(`${attempted}: no answer: ${said}`, options);
  }
  const text = `${attempted}: ${status} ${name}: ${said}`;
  if (status >= 500 || status === 429 || PASSING.has(name)) {
    return new RedshiftUnavailableError(text, options);
  }
  return new RedshiftRequestError(text, options);
}

/** Error 1023; AWS: "Serializable isolation violation error". Serverless may have snapshots. */
const CONFLICT = /serializable isolation violation|could not serialize|deadlock detected/i;

/** What Redshift says when it, S3 or the way between them is in trouble. */
const PASSES = new RegExp(
  [
    "S3ServiceException:.*,Status (5\\d\\d|429)\\b",
    "SlowDown|ServiceUnavailable|RequestTimeout",
    "E(CONNREFUSED|CONNRESET|TIMEDOUT|PIPE|AI_AGAIN|HOSTUNREACH)|AggregateError|TimeoutError",
    "socket hang up|no answer, reading",
    "connection (was |has been )?(closed|reset|refused|terminated|timed out|lost)",
    "terminating connection|system is (shutting down|starting up)|(was|is) stopped while",
    "disk full|no space left|out of memory",
  ].join("|"),
  "i",
);

/** How a statement ended, as DescribeStatement tells it. */
export interface Ending {
  readonly status: string;
  readonly error: string | undefined;
  /** The SQL that failed. */
  readonly sql: string;
}

/** The error of a statement that was FAILED or ABORTED. */
export function endedError(
  address: string,
  statement: StatementIdentity,
  ending: Ending,
): StatementEndedError {
  const reason = (ending.error ?? "no reason given").replace(/^ERROR:\s*/, "");
  const what = `${address}: statement ${statement.id} (${excerpt(ending.sql)})`;
  if (ending.status === "ABORTED") {
    const message = `${what} was cancelled by somebody else: ${reason}`;
    return new RedshiftAbortedError(message, statement);
  }
  const message = `${what} failed: ${reason}`;
  if (CONFLICT.test(reason)) return new RedshiftConflictError(message, statement);
  if (PASSES.test(reason)) return new RedshiftInterruptedError(message, statement);
  return new RedshiftStatementError(message, statement);
}

function excerpt(sql: string): string {
  const line = sql.trim().replace(/\s+/g, " ");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

import {
  RedshiftAbortedError,
  RedshiftAccessError,
  RedshiftConflictError,
  RedshiftInterruptedError,
  RedshiftRequestError,
  RedshiftResultSizeError,
  RedshiftRowSizeError,
  RedshiftStatementError,
  RedshiftTimeoutError,
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

/**
 * What Redshift says when it, S3 or the way between them is in trouble (AWS: "S3ServiceException
 * errors", "Load error reference"; PostgreSQL's class 57 for a server that stops or starts).
 */
const PASSES = new RegExp(
  [
    "S3ServiceException:.*,Status (0|5\\d\\d|429)\\b",
    "S3CurlException",
    "Error (SlowDown|ServiceUnavailable|RequestTimeout|InternalError)\\b",
    "terminating connection|the database system is (shutting down|starting up)",
    "connection (was |has been )?(closed|reset|refused|terminated|timed out|lost)",
    "disk full|no space left on device|out of memory",
  ].join("|"),
  "i",
);

/** A row over 64 KB, and a result over 500 MB (AWS: "Troubleshooting issues for the Data API"). */
const ROW_TOO_LARGE = /packet for query is too large/i;
const RESULT_TOO_LARGE = /exceed(s|ed) (the )?size limit|result size exceed/i;
/** What a statement fails with when its statement_timeout is over. */
const TIMED_OUT = /statement[ _]timeout|cancell?ed on user'?s request/i;

/** What to do about a row that the Data API does not carry. */
export const ROW_ADVICE =
  "The Data API carries rows of at most 64 KB: select fewer columns, or LEFT(column, n) of the long ones";

/** How a statement ended, as DescribeStatement tells it. */
export interface Ending {
  readonly status: string;
  readonly error: string | undefined;
  /** The SQL that failed. */
  readonly sql: string;
  /** The statement_timeout that was sent with it. */
  readonly timeoutMs?: number | undefined;
}

/** The error of a statement that was FAILED or ABORTED. */
export function endedError(
  address: string,
  statement: StatementIdentity,
  ending: Ending,
): StatementEndedError {
  const reason = (ending.error ?? "no reason given").replace(/^ERROR:\s*/, "");
  const what = `${address}: statement ${statement.id} (${excerpt(ending.sql)})`;
  const { sql, timeoutMs } = ending;
  if (ending.status === "ABORTED") {
    const message = `${what} was cancelled by somebody else: ${reason}`;
    return new RedshiftAbortedError(message, statement, sql);
  }
  const message = `${what} failed: ${reason}`;
  if (timeoutMs !== undefined && TIMED_OUT.test(reason)) {
    const limit = `${message}. It ran longer than the ${timeoutMs} ms that it was given`;
    return new RedshiftTimeoutError(limit, statement, sql);
  }
  if (ROW_TOO_LARGE.test(reason)) {
    return new RedshiftRowSizeError(`${message}. ${ROW_ADVICE}`, statement, sql);
  }
  if (RESULT_TOO_LARGE.test(reason)) return new RedshiftResultSizeError(message, statement, sql);
  if (CONFLICT.test(reason)) return new RedshiftConflictError(message, statement, sql);
  if (PASSES.test(reason)) return new RedshiftInterruptedError(message, statement, sql);
  return new RedshiftStatementError(message, statement, sql);
}

function excerpt(sql: string): string {
  const line = sql.trim().replace(/\s+/g, " ");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

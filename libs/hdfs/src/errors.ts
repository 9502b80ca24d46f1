import { HybridgeError } from "@hybridge/core";

/** HDFS does not answer, or answers that it cannot serve right now. */
export class HdfsUnavailableError extends HybridgeError {
  readonly code = "HDFS_UNAVAILABLE";
  readonly retry = "backoff";
}

/** No DataNode has room for a block, or a quota is used up. */
export class HdfsFullError extends HybridgeError {
  readonly code = "HDFS_FULL";
  readonly retry = "backoff";
}

/** What was written is not what HDFS has; it was not published. */
export class HdfsVerificationError extends HybridgeError {
  readonly code = "HDFS_VERIFICATION";
  readonly retry = "backoff";
}

/** HDFS refuses the request, and will refuse it again. `exception` is Hadoop's class. */
export class HdfsRefusedError extends HybridgeError {
  readonly code = "HDFS_REFUSED";
  readonly retry = "never";
  readonly exception: string;

  constructor(message: string, exception: string, options?: ErrorOptions) {
    super(message, options);
    this.exception = exception;
  }
}

/** The delegation token is wrong, has ended or was cancelled. Another one may come into its file. */
export class HdfsTokenError extends HybridgeError {
  readonly code = "HDFS_TOKEN";
  readonly retry = "backoff";
}

/** The answer is none of WebHDFS: another server, or a proxy in between. */
export class HdfsProtocolError extends HybridgeError {
  readonly code = "HDFS_PROTOCOL";
  readonly retry = "backoff";
}

/** Hadoop's exceptions that no later try can change. The rest may pass. */
const REFUSALS = new Set([
  "AccessControlException",
  "AuthenticationException",
  "SecurityException",
  "IllegalArgumentException",
  "HadoopIllegalArgumentException",
  "UnsupportedOperationException",
  "InvalidPathException",
  "InvalidToken",
  "ParentNotDirectoryException",
  "FileNotFoundException",
  "FileAlreadyExistsException",
  "PathIsNotEmptyDirectoryException",
]);

const FULL = /QuotaExceeded|DiskOutOfSpace|No space left|could only be written to 0 of/i;

/** The error for a RemoteException of Hadoop. @param attempted operation and path */
export function remoteError(
  attempted: string,
  exception: string,
  message: string,
): HdfsUnavailableError | HdfsFullError | HdfsRefusedError {
  const [firstLine = ""] = message.split("\n");
  const text = `${attempted}: ${exception}: ${firstLine}`;
  if (/StandbyException/.test(message)) return new HdfsUnavailableError(text);
  if (FULL.test(exception) || FULL.test(message)) {
    return new HdfsFullError(
      `${text} Is a DataNode up, and has its disk or the folder's quota room? ` +
        "Writing goes on by itself when it has.",
    );
  }
  if (exception === "AccessControlException") {
    const hint = "Give that user this right in HDFS, or check HYBRIDGE_HDFS_USER.";
    return new HdfsRefusedError(`${text}. ${hint}`, exception);
  }
  if (REFUSALS.has(exception)) return new HdfsRefusedError(text, exception);
  return new HdfsUnavailableError(text);
}

/**
 * True when a NameNode said that another one is active, or that it is not up yet. It says so in
 * several ways, for what was asked with a token too.
 */
export function isStandby(error: unknown): boolean {
  return (
    error instanceof HdfsUnavailableError &&
    /StandbyException|RetriableException|not supported in state|NameNode still not started/.test(
      error.message,
    )
  );
}

/** True when HDFS said that a token is not one, or no longer one. */
export function isTokenRefused(exception: string, message: string): boolean {
  return /InvalidToken|can't be found in cache|token .*(?:is|has) expired/i.test(
    `${exception} ${message}`,
  );
}

/** True when HDFS said that a path, or the parent of it, is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof HdfsRefusedError && error.exception === "FileNotFoundException";
}

/** True when HDFS said that a path exists already. */
export function isAlreadyThere(error: unknown): boolean {
  return error instanceof HdfsRefusedError && error.exception === "FileAlreadyExistsException";
}

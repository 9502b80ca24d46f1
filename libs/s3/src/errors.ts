import { HybridgeError } from "@hybridge/core";

/** S3 does not answer, or answers that it cannot serve right now. */
export class S3UnavailableError extends HybridgeError {
  readonly code = "S3_UNAVAILABLE";
  readonly retry = "backoff";
}

/** S3 does not accept the credentials, or they lack a right on the bucket. */
export class S3AccessError extends HybridgeError {
  readonly code = "S3_ACCESS";
  readonly retry = "never";
}

/** There is no such bucket. */
export class S3BucketError extends HybridgeError {
  readonly code = "S3_BUCKET";
  readonly retry = "never";
}

/** S3 has another length than was sent; it is sent again. */
export class S3IncompleteError extends HybridgeError {
  readonly code = "S3_INCOMPLETE";
  readonly retry = "backoff";
}

/** S3 refuses a request and will refuse it again. */
export class S3RequestError extends HybridgeError {
  readonly code = "S3_REQUEST";
  readonly retry = "never";
}

export type S3Error = S3UnavailableError | S3AccessError | S3BucketError | S3RequestError;

/** Statuses and codes that pass by themselves (Amazon S3: "Error responses"). */
const PASSING_STATUS = new Set([408, 409, 425, 429]);
const PASSING_CODE = new Set(["SlowDown", "RequestTimeout", "InternalError", "OperationAborted"]);
const ACCESS_CODE = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "RequestTimeTooSkewed",
  "CredentialsProviderError",
  "AuthorizationHeaderMalformed",
]);

/** What the SDK adds to an error that came from the service. */
interface ServiceFailure {
  readonly name: string;
  readonly status: number | undefined;
}

/** The code and HTTP status of an error of the SDK. */
export function failureOf(error: unknown): ServiceFailure {
  if (!(error instanceof Error)) return { name: "", status: undefined };
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return { name: error.name, status: $metadata?.httpStatusCode };
}

/** Names an error of the SDK. @param attempted operation and location; @param address of S3 */
export function s3Error(attempted: string, address: string, error: unknown): S3Error {
  const { name, status } = failureOf(error);
  const said = error instanceof Error ? error.message || name : String(error);
  const options = { cause: error };
  if (name === "NoSuchBucket") {
    const advice = "Create the bucket, or correct its name.";
    return new S3BucketError(`${attempted}: ${address}: ${said}. ${advice}`, options);
  }
  if (ACCESS_CODE.has(name) || status === 401 || status === 403) {
    const advice = "Check the credentials, the clock, and the rights on the bucket.";
    return new S3AccessError(
      `${attempted}: ${address} denies access: ${name}: ${said}. ${advice}`,
      {
        cause: error,
      },
    );
  }
  const passes =
    status === undefined || status >= 500 || PASSING_STATUS.has(status) || PASSING_CODE.has(name);
  if (passes) {
    const answer = status === undefined ? `no answer: ${said}` : `${status} ${name}: ${said}`;
    return new S3UnavailableError(`${attempted}: ${address}: ${answer}`, options);
  }
  return new S3RequestError(
    `${attempted}: ${address} refuses: ${status} ${name}: ${said}`,
    options,
  );
}

import { S3Client } from "@aws-sdk/client-s3";

/** Where the object store is and how it is reached. */
export interface S3Options {
  /** Default: AWS's own of the region. With it, buckets are addressed by path. */
  readonly endpoint?: string;
  readonly region: string;
  /** Default: the AWS SDK's chain (AWS_ACCESS_KEY_ID, profile, role of the machine). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** TCP and TLS, in milliseconds. Default 3,000. */
  readonly connectMs?: number;
  /** Silence of the other side within a request, in milliseconds. Default 30,000. */
  readonly silenceMs?: number;
}

/** A client of one object store. */
export interface S3 extends AsyncDisposable {
  readonly client: S3Client;
  /** For people: where it is. */
  readonly address: string;
}

const nothing = () => undefined;
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Connects to nothing yet: the first request does. */
export function openS3(options: S3Options): S3 {
  const { endpoint, region, credentials, connectMs = 3_000, silenceMs = 30_000 } = options;
  const client = new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    requestHandler: { connectionTimeout: connectMs, socketTimeout: silenceMs },
    // Enough for a connection that the other side had closed; longer waits are the caller's.
    maxAttempts: 2,
    // The SDK would warn on the console about what we raise as errors.
    logger: silent,
  });
  return {
    client,
    address: endpoint ?? `S3 in ${region}`,
    [Symbol.asyncDispose]() {
      client.destroy();
      return Promise.resolve();
    },
  };
}

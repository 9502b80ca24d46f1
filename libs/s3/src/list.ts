import { ListObjectsV2Command, type ListObjectsV2Output, type S3Client } from "@aws-sdk/client-s3";
import type { Page } from "@hybridge/landing";

/**
 * One page of a folder, after a name; a folder in it is one name with a slash at its end.
 *
 * @param folder key with a slash at its end
 */
export async function listFolder(
  client: S3Client,
  bucket: string,
  folder: string,
  after: string,
  signal: AbortSignal,
): Promise<Page> {
  let token: string | undefined;
  for (;;) {
    const page: ListObjectsV2Output = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: folder,
        Delimiter: "/",
        ...(token === undefined ? { StartAfter: folder + after } : { ContinuationToken: token }),
      }),
      { abortSignal: signal },
    );
    const keys = [
      ...(page.Contents ?? []).map(({ Key }) => Key ?? ""),
      ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ""),
    ];
    const names = keys
      .map((key) => key.slice(folder.length))
      .filter((name) => name !== "" && name > after)
      .sort(byBytes);
    token = page.NextContinuationToken;
    const more = page.IsTruncated === true && token !== undefined;
    // A page of names that were given already must not look like the end.
    if (names.length > 0 || !more) return { names, more };
  }
}

/** Every key with a prefix, in pages. */
export async function* listKeys(
  client: S3Client,
  bucket: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  let token: string | undefined;
  do {
    const page: ListObjectsV2Output = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
      { abortSignal: signal },
    );
    yield (page.Contents ?? []).map(({ Key }) => Key ?? "");
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

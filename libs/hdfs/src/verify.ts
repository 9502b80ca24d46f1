import { createHash } from "node:crypto";
import { blockChecksum, chunkBytesOf } from "./block-checksum.ts";
import { HdfsVerificationError } from "./errors.ts";
import type { Content, WebHdfs } from "./webhdfs.ts";

/** Has HDFS what was sent? @throws HdfsVerificationError, and the staged file is thrown away */
export async function verify(
  hdfs: WebHdfs,
  path: string,
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  const status = await hdfs.status(path, signal);
  if (status?.length !== content.bytes) {
    throw new HdfsVerificationError(
      `wrote ${content.bytes} bytes to ${path}, HDFS has ${status?.length ?? "no file"}`,
    );
  }
  if (content.bytes === 0) return;
  const found = status.encrypted ? undefined : await hdfs.checksum(path, signal);
  const chunkBytes = found && chunkBytesOf(found.algorithm);
  const matches =
    found === undefined || chunkBytes === undefined
      ? sha256Of(await hdfs.read(path, signal)) === (await sha256OfContent(content))
      : (await blockChecksum(content.open(), status.blockSize, chunkBytes)).equals(
          found.bytes.subarray(0, 28),
        );
  if (matches) return;
  const checksum = found ? `${found.algorithm} ${found.bytes.toString("hex")}` : "read back";
  throw new HdfsVerificationError(
    `${path}: HDFS has other content than was sent (${checksum}). ` +
      "Check the network and the DataNode's disks.",
  );
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function sha256OfContent(content: Content): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of content.open() as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest("hex");
}

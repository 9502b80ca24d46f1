import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LocalFile } from "../store-port.ts";

/** Writes a file of a new name that a store may be given. */
export async function localFile(directory: string, content: string | Buffer): Promise<LocalFile> {
  const localPath = join(directory, randomBytes(6).toString("hex"));
  await writeFile(localPath, content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { localPath, bytes: Buffer.byteLength(content), sha256 };
}

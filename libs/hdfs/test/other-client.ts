import { createRequire } from "node:module";
import { Readable } from "node:stream";

/** The npm package webhdfs: written by others, so it reads back what our client wrote. */
interface OtherWebHdfs {
  readFile(path: string, done: (error: Error | null, data: Buffer | string) => void): void;
  readdir(path: string, done: (error: Error | null, files: OtherStatus[]) => void): void;
}

export interface OtherStatus {
  readonly pathSuffix: string;
  readonly permission: string;
  readonly length: number;
}

export function otherClient(url: string) {
  const { createClient } = createRequire(import.meta.url)("webhdfs") as {
    createClient: (options: { host: string; port: string; user: string }) => OtherWebHdfs;
  };
  const { hostname, port } = new URL(url);
  const client = createClient({ host: hostname, port, user: "root" });
  return {
    read: (path: string) =>
      new Promise<string>((resolve, reject) => {
        client.readFile(path, (error, data) => (error ? reject(error) : resolve(data.toString())));
      }),
    list: (path: string) =>
      new Promise<OtherStatus[]>((resolve, reject) => {
        client.readdir(path, (error, files) => (error ? reject(error) : resolve(files)));
      }),
  };
}

export function otherStream(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}

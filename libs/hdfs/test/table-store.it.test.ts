import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { tableStoreConformance } from "@hybridge/landing/testing";
import { startHdfs } from "@hybridge/local";
import { hdfsTableStore, openWebHdfs } from "../src/index.ts";

const signal = new AbortController().signal;

tableStoreConformance("HDFS", async () => {
  const directory = await mkdtemp(join(tmpdir(), "hybridge-hdfs-"));
  const hdfs = await startHdfs({ dir: join(directory, "hdfs"), blockBytes: 1_048_576 });
  const client = openWebHdfs({ url: hdfs.addresses.webhdfs, user: userInfo().username });
  const open = () => hdfsTableStore(client, "/lake/tweets");
  return {
    store: open(),
    reopen: open,
    async readBack(path) {
      const whole = `/lake/tweets/${path}`;
      return (await client.status(whole, signal)) && (await client.read(whole, signal));
    },
    // Several blocks, the last of them short.
    largeBytes: 3_500_000,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await hdfs[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
});

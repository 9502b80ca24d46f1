import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { openWebHdfs, type WebHdfs } from "@hybridge/hdfs";
import {
  startHdfs,
  startHive,
  startKafka,
  type Hdfs,
  type Hive,
  type Kafka,
} from "@hybridge/local";
import { startSwallower, type Swallower } from "./swallower.ts";

/** What the internal side stands on; runs share it, each with a topic, a folder and a table. */
export interface Components extends AsyncDisposable {
  readonly dir: string;
  readonly kafka: Kafka;
  readonly hdfs: Hdfs;
  readonly hive: Hive;
  /** Between the warehouses and the NameNode. */
  readonly swallower: Swallower;
  /** HDFS without anything between. */
  readonly client: WebHdfs;
  /** Keeps the folder, with the logs, at the end. */
  keep(): void;
}

export async function startComponents(): Promise<Components> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "hybridge-fault-landing-"));
  let isKept = false;
  stack.defer(() => {
    if (!isKept) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  const [kafka, hdfs] = await Promise.all([
    startKafka({ dir: join(dir, "kafka") }),
    startHdfs({ dir: join(dir, "hdfs") }),
  ]);
  stack.use(kafka);
  stack.use(hdfs);
  const hive = stack.use(await startHive({ dir: join(dir, "hive"), hdfs: hdfs.addresses }));
  const { webhdfs } = hdfs.addresses;
  const swallower = stack.use(await startSwallower(new URL(webhdfs)));
  const client = stack.use(openWebHdfs({ url: webhdfs, user: userInfo().username }));
  const owned = stack.move();
  return {
    dir,
    kafka,
    hdfs,
    hive,
    swallower,
    client,
    keep: () => {
      isKept = true;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { partitionCount, type ClusterOptions } from "@hybridge/kafka";
import { cacheDir } from "@hybridge/local";

const run = promisify(execFile);

/** Deletes a topic with Kafka's own tool (our client has no use for it), and waits until it is gone. */
export async function deleteTopic(
  cluster: ClusterOptions,
  topic: string,
  signal: AbortSignal,
): Promise<void> {
  const jvm = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  await run(
    "java",
    [
      ...jvm,
      ...["-cp", join(cacheDir(), "components/kafka/*")],
      "org.apache.kafka.tools.TopicCommand",
      ...["--bootstrap-server", cluster.bootstrap, "--delete", "--topic", topic],
    ],
    { signal },
  );
  while ((await partitionCount(cluster, topic, signal)) !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

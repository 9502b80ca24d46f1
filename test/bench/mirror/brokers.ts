import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { startProxied, type ProxiedCluster } from "../../support/proxied-cluster.ts";
import { javaProgram, kafkaJars } from "./machine.ts";
import type { Progress } from "./progress.ts";

/**
 * As in operation: the whole compiler, Kafka's own collector, a gibibyte of heap. (Those of the
 * tests start faster and run slower.) Deleted logs go soon: what an earlier round wrote would
 * still be on its way to the disk in the next.
 */
const BROKER = {
  heapMb: 1024,
  jvm: ["-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseG1GC"],
  settings: { "log.segment.delete.delay.ms": "1000" },
};

/** The two clusters that are mirrored between, of one broker each. */
export interface Brokers extends AsyncDisposable {
  readonly source: ProxiedCluster;
  readonly target: ProxiedCluster;
}

export async function startBrokers(dir: string, progress: Progress): Promise<Brokers> {
  progress.doing("the brokers start");
  const started = await Promise.allSettled([
    startProxied(dir, "source", BROKER),
    startProxied(dir, "target", BROKER),
  ]);
  progress.done();
  await using stack = new AsyncDisposableStack();
  for (const one of started) if (one.status === "fulfilled") stack.use(one.value);
  const [source, target] = started;
  if (source.status === "rejected") throw source.reason;
  if (target.status === "rejected") throw target.reason;
  const running = stack.move();
  return {
    source: source.value,
    target: target.value,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** With Kafka's own tool: our client has no use for it. */
export async function deleteTopic(
  cluster: ProxiedCluster,
  topic: string,
  signal: AbortSignal,
): Promise<void> {
  const jvm = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", kafkaJars()];
  const { bootstrap } = cluster.direct;
  const what = ["--bootstrap-server", bootstrap, "--delete", "--topic", topic];
  const args = [...jvm, "org.apache.kafka.tools.TopicCommand", ...what];
  await promisify(execFile)(javaProgram(), args, { signal });
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir, type Kafka } from "@hybridge/local";

const PRINTED = ["timestamp", "headers", "key"];

/**
 * What Kafka's own console consumer prints for one partition from its start: a client that shares
 * no code with us. Times, headers and keys are printed too; bytes that are no text are shown alike
 * on both sides.
 */
export async function readWithConsoleConsumer(
  kafka: Kafka,
  at: { readonly topic: string; readonly partition: number },
  records: number,
): Promise<{ readonly printed: Buffer; readonly count: number }> {
  const { stdout, stderr } = await promisify(execFile)(
    "java",
    [
      "-Xmx256m",
      "-cp",
      join(cacheDir(), "components/kafka/*"),
      "org.apache.kafka.tools.consumer.ConsoleConsumer",
      ...["--bootstrap-server", kafka.addresses.bootstrap, "--topic", at.topic],
      ...["--partition", String(at.partition), "--offset", "earliest"],
      ...["--isolation-level", "read_committed"],
      ...["--max-messages", String(records), "--timeout-ms", "20000"],
      ...PRINTED.flatMap((part) => ["--formatter-property", `print.${part}=true`]),
    ],
    { maxBuffer: 512 * 1024 * 1024, encoding: "buffer" },
  );
  const said = /Processed a total of (\d+) messages/.exec(stderr.toString());
  return { printed: stdout, count: Number(said?.[1] ?? -1) };
}

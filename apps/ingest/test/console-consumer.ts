import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "@hybridge/local";

/** A record as Kafka's own console consumer prints it. */
export interface PrintedRecord {
  readonly partition: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly key: string;
  readonly value: string;
}

const PRINTED = ["key", "partition", "headers"];

/**
 * Everything in a topic, read by Kafka's console consumer: a client that shares no code with us.
 * For records without tabs, line feeds and commas in headers.
 */
export async function readWithConsoleConsumer(
  bootstrap: string,
  topic: string,
): Promise<PrintedRecord[]> {
  const { stdout } = await promisify(execFile)(
    "java",
    [
      "-Xmx256m",
      "-cp",
      join(cacheDir(), "components/kafka/*"),
      "org.apache.kafka.tools.consumer.ConsoleConsumer",
      ...["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning"],
      ...["--isolation-level", "read_committed", "--timeout-ms", "5000"],
      ...PRINTED.flatMap((part) => ["--formatter-property", `print.${part}=true`]),
    ],
    { maxBuffer: 512 * 1024 * 1024 },
  );
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("Partition:"))
    .map(parse);
}

function parse(line: string): PrintedRecord {
  const [partition = "", headers = "", key = "", value = ""] = line.split("\t");
  return {
    partition: Number(partition.slice("Partition:".length)),
    headers: new Map(headers.split(",").map((each) => splitAt(each, each.indexOf(":")))),
    key,
    value,
  };
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index + 1)];
}

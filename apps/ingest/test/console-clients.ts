import { execFile, spawn } from "node:child_process";
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

const CLASSPATH = join(cacheDir(), "components/kafka/*");
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
      CLASSPATH,
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

/** Sends lines with Kafka's console producer. They have no key, so it chooses the partitions. */
export async function produceWithConsoleProducer(
  bootstrap: string,
  topic: string,
  lines: readonly string[],
): Promise<void> {
  const main = "org.apache.kafka.tools.ConsoleProducer";
  const child = spawn(
    "java",
    ["-Xmx128m", "-cp", CLASSPATH, main, "--bootstrap-server", bootstrap, "--topic", topic],
    { stdio: ["pipe", "ignore", "ignore"] },
  );
  child.stdin.end(lines.map((line) => `${line}\n`).join(""));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the console producer ended with ${String(code)}`);
}

// kafka-consumer-groups.sh: a client that we did not write looks at the groups that ours are in.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir, javaTool } from "@hybridge/local";

/** Rows of the tool's tables, by the names in their heads. */
export type ToolRow = Readonly<Record<string, string>>;

/** What the tool prints with `--describe --all-groups`. */
export async function describeGroups(
  bootstrap: string,
  ...options: readonly string[]
): Promise<ToolRow[]> {
  const { stdout } = await promisify(execFile)(javaTool("java"), [
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    join(cacheDir(), "components", "kafka", "*"),
    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    ...["--bootstrap-server", bootstrap, "--describe", "--all-groups", ...options],
  ]);
  let head: readonly string[] = [];
  return stdout.split("\n").flatMap((line) => {
    const cells = line.trim().split(/\s+/);
    if (cells.length < 4) return [];
    if (cells[0] !== "GROUP")
      return [Object.fromEntries(head.map((name, at) => [name, cells[at] ?? ""]))];
    head = cells;
    return [];
  });
}

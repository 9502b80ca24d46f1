import { execFile, spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { javaTool } from "@hybridge/local";

/**
 * Processes that a JVM starts, told by its flight recorder (the event jdk.ProcessStart), so that
 * none can be too short to be seen.
 */
export interface ProcessWatch {
  /** For the start of the JVM. */
  readonly jvm: readonly string[];
  /** Every process since the start of the JVM that is not Hadoop's own. */
  look(pid: number): Promise<string[]>;
}

const FRAMES = 12;

const RECORDING = `<?xml version="1.0" encoding="UTF-8"?>
<configuration version="2.0">
  <event name="jdk.ProcessStart">
    <setting name="enabled">true</setting>
    <setting name="stackTrace">true</setting>
  </event>
</configuration>
`;

/** @param dir a folder for the recording */
export async function processWatch(dir: string): Promise<ProcessWatch> {
  const settings = join(dir, "watch.jfc");
  await writeFile(settings, RECORDING);
  return {
    jvm: [
      `-XX:FlightRecorderOptions=repository=${join(dir, "recorded")}`,
      `-XX:StartFlightRecording=name=watch,settings=${settings}`,
    ],
    async look(pid) {
      const file = join(dir, "watch.jfr");
      const dump = [String(pid), "JFR.dump", "name=watch", `filename=${file}`];
      await promisify(execFile)(javaTool("jcmd"), dump);
      const found = await readProcesses(file);
      await rm(file);
      return found;
    },
  };
}

async function readProcesses(file: string): Promise<string[]> {
  const args = ["print", "--events", "jdk.ProcessStart", "--stack-depth", String(FRAMES), file];
  const child = spawn(javaTool("jfr"), args, { stdio: ["ignore", "pipe", "inherit"] });
  const found: string[] = [];
  let command = "";
  let frames: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const text = line.trim();
    if (text.startsWith("command = ")) command = text.slice("command = ".length);
    else if (/^[\w.$]+\(|^[\w.$<>]+\(.*\) *line: /.test(text)) frames.push(text);
    else if (text === "}") {
      if (!isHadoops(frames)) found.push(`${command} by ${frames[2] ?? "?"}`);
      command = "";
      frames = [];
    }
  }
  return found;
}

/**
 * Hadoop without its native library asks programs to do what Java cannot: chmod, ls, readlink and
 * id. They are its own when its own code called its own Shell.
 */
function isHadoops(frames: readonly string[]): boolean {
  const shell = "org.apache.hadoop.util.Shell";
  const outside = frames.filter((frame) => !frame.startsWith("java.lang.Process"));
  const caller = outside.find((frame) => !frame.startsWith(shell)) ?? "";
  return (
    (outside[0]?.startsWith(`${shell}.runCommand`) ?? false) &&
    /^org\.apache\.hadoop\.(fs\.(RawLocalFileSystem|FileUtil)|security\.ShellBasedUnixGroupsMapping|util\.StringUtils\.<clinit>)/.test(
      caller,
    )
  );
}

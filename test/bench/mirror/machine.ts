import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { cacheDir } from "@hybridge/local";

/** What a number depends on besides the programs. */
export interface Machine {
  readonly cores: number;
  readonly memoryGib: number;
  readonly cpu: string;
  readonly os: string;
  readonly node: string;
  readonly java: string;
  readonly kafka: string;
  /** Over a minute, before anything was started: more than a little of it spoils the numbers. */
  readonly loadBefore: number;
}

export function kafkaJars(): string {
  return join(cacheDir(), "components/kafka/*");
}

export function javaProgram(): string {
  const home = process.env["JAVA_HOME"] ?? "";
  return home === "" ? "java" : join(home, "bin/java");
}

export function describeMachine(): Machine {
  return {
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    cpu: cpus()[0]?.model.trim() ?? arch(),
    os: `${distribution()}, ${type()} ${release()}`,
    node: process.version,
    java: javaVersion(),
    kafka: kafkaVersion(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

export function machineLines(machine: Machine): string {
  const { cores, memoryGib, cpu, os, node, java, kafka, loadBefore } = machine;
  return [
    `machine   ${cores} cores (${cpu}), ${memoryGib} GiB, ${os}; load before: ${loadBefore}`,
    `versions  Node ${node}, Java ${java}, Kafka and MirrorMaker 2 ${kafka}`,
    "brokers   one for the source and one for the target, on this machine too; 1 GiB of heap, G1",
  ].join("\n");
}

function distribution(): string {
  try {
    return /PRETTY_NAME="(.*)"/.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  } catch {
    return "unknown distribution";
  }
}

function javaVersion(): string {
  const text = execFileSync(javaProgram(), ["--version"], { encoding: "utf8" });
  return text.split("\n")[0] ?? "";
}

function kafkaVersion(): string {
  const names = readdirSync(join(cacheDir(), "components/kafka"));
  const found = names.map((name) => /^kafka-clients-(.*)\.jar$/.exec(name)?.[1]).find(Boolean);
  return found ?? "unknown";
}

import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cacheDir } from "@hybridge/local";

const PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/** The folder of Spark's jars: fetched by Maven, which checks them, when it is not there yet. */
export async function sparkJars(): Promise<string> {
  const pom = fileURLToPath(new URL("spark.pom.xml", import.meta.url));
  const folder = join(cacheDir(), "bench/spark");
  const whole = join(folder, "whole");
  if (existsSync(whole)) return folder;
  const args = ["-q", "-B", "-f", pom, PLUGIN, "-DincludeScope=runtime"];
  const child = spawn("mvn", [...args, `-DoutputDirectory=${folder}`], { stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`mvn could not fetch Spark (exit code ${code}); see above`);
  await writeFile(whole, "");
  return folder;
}

import { readFileSync } from "node:fs";
import { readPosts, type Reading } from "../src/index.ts";

export const fixtureNames = ["x-v11", "archive", "x-v2", "bluesky"] as const;

/** The lines of a file of invented messages, one of each kind that a source sends. */
export function linesOf(name: (typeof fixtureNames)[number]): Buffer[] {
  const url = new URL(`fixtures/${name}.ndjson`, import.meta.url);
  const lines = readFileSync(url, "utf8").trimEnd().split("\n");
  return lines.map((line) => Buffer.from(line));
}

/** All messages of all files. */
export function allLines(): Buffer[] {
  return fixtureNames.flatMap(linesOf);
}

export function readingsOf(name: (typeof fixtureNames)[number]): Reading[] {
  return linesOf(name).flatMap((line) => readPosts(line));
}

import { gunzipSync } from "node:zlib";
import { openLandingLog, TABLE_NAME, type TableStore } from "@hybridge/landing";

/** What a table's log names, as an auditor reads it. */
export interface LandedFiles {
  /** Paths of files with rows. */
  readonly rows: readonly string[];
  /** `partition/offset` of every dead letter, sorted. */
  readonly deadLetters: readonly string[];
  /** `partition from..to why` of every gap, in the order of the log. */
  readonly gaps: readonly string[];
}

/** Reads a table's log from its first commit on: whatever no commit names is nothing. */
export async function landedFiles(store: TableStore, signal: AbortSignal): Promise<LandedFiles> {
  const writer = "auditor";
  const emit = () => undefined;
  const log = await openLandingLog({ store, table: TABLE_NAME, writer, emit }, signal);
  const rows: string[] = [];
  const dead: string[] = [];
  const gaps: string[] = [];
  for await (const { commit } of log.readCommits({ after: 0, to: log.state.tip }, signal)) {
    for (const action of commit.actions) {
      if (action.do === "add") rows.push(...action.files.map(({ path }) => path));
      if (action.do === "dead") dead.push(...action.files.map(({ path }) => path));
      if (action.do !== "gap") continue;
      gaps.push(`${action.partition} ${action.from}..${action.to} ${action.why}`);
    }
  }
  const letters: string[] = [];
  for (const path of dead) {
    const content = await store.read(path, signal);
    if (content === undefined) throw new Error(`${store.locationOf(path)} is not there`);
    for (const line of gunzipSync(content).toString().trim().split("\n")) {
      const letter = JSON.parse(line) as { partition: number; offset: string };
      letters.push(`${letter.partition}/${letter.offset}`);
    }
  }
  return { rows, deadLetters: letters.sort(), gaps };
}

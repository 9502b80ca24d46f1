import type { CounterName } from "@hybridge/core";
import type { Commit, LogFile } from "../log/protocol.ts";

/** A flush is in the log. */
export function flushEvent(
  number: number,
  commit: Commit,
  counts: { readonly rows: number; readonly dead: number },
) {
  const { rows, dead } = counts;
  const files = filesOf(commit);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const partitions = commit.actions.reduce((sum, action) => {
    return action.do === "advance" ? sum + action.ranges.length : sum;
  }, 0);
  const bad = dead > 0 ? `, ${dead} dead letters` : "";
  const counter = (name: CounterName, value: number) => ({ kind: "counter", name, value }) as const;
  return {
    name: "flush.landed",
    level: dead > 0 ? "warn" : "info",
    message: `commit ${number}: ${rows} rows of ${partitions} partitions in ${files.length} files, ${bytes} bytes${bad}`,
    fields: { commit: number, rows, partitions, files: files.length, bytes, deadLetters: dead },
    measurements: [
      counter("hybridge_landing_rows_total", rows),
      counter("hybridge_landing_flushes_total", 1),
      counter("hybridge_landing_files_total", files.length),
      counter("hybridge_landing_bytes_total", bytes),
      counter("hybridge_landing_dead_letters_total", dead),
    ],
  } as const;
}

function filesOf({ actions }: Commit): readonly LogFile[] {
  return actions.flatMap((action) => (action.do === "add" ? action.files : []));
}

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "@hybridge/core";
import { SpoolTakenError } from "../errors.ts";

/** Whoever opened a spool last owns it. */
export interface Owner {
  /** @throws SpoolTakenError when somebody else has opened the spool since */
  check(): void;
}

/**
 * Takes a spool over. There is no lock that a killed process could leave behind, and a process that
 * only stands still cannot keep others out. It is safe by the order of effects: an owner writes its
 * frame first and looks at the name of the owner then, before it tells anybody that the frame is
 * kept. A new owner writes its name first and reads the frames then. So a frame that was told is one
 * that the new owner saw. What an old owner writes after that is overruled by the first frame
 * number in the header of the new owner's segment.
 */
export async function takeOwnership(dir: string): Promise<Owner> {
  const path = join(dir, "owner");
  const name = `${process.pid} ${randomBytes(8).toString("hex")}\n`;
  await writeFile(path, name);
  failpoint("spool.owner-written");
  return {
    // Twenty microseconds; as a promise it would be four turns of the thread pool for each write.
    check() {
      if (readFileSync(path, "latin1") === name) return;
      throw new SpoolTakenError(
        `another ingest is the owner of the spool in ${dir} now: two processes need two folders (HYBRIDGE_SPOOL_DIR)`,
      );
    },
  };
}

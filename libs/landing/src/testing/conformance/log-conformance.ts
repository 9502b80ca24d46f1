import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TableStore } from "../../store-port.ts";
import { followingCases } from "./log-following.ts";
import { growthCases } from "./log-growth.ts";
import { readingCases } from "./log-reading.ts";
import { logTable, type LogTable } from "./log-table.ts";
import { writingCases } from "./log-writing.ts";

/** Where the log is tried. */
export interface LogStoreUnderTest extends AsyncDisposable {
  /**
   * An empty folder for a table; each call of what it gives is the store of another process over
   * the same folder.
   */
  newTable(): Promise<() => TableStore>;
}

/** Registers a case with a table of its own. */
export type LogCase = (title: string, body: (table: LogTable) => Promise<void>) => void;

/**
 * Registers with node:test what a log over any TableStore must do: the rules of
 * docs/landing-log.md. `open` is called once.
 */
export function landingLogConformance(
  name: string,
  open: () => Promise<LogStoreUnderTest>,
  options: { readonly skip?: string } = {},
): void {
  void describe(`landing log: ${name}`, options.skip ? { skip: options.skip } : {}, () => {
    let subject: LogStoreUnderTest;
    let directory: string;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "hybridge-log-conformance-"));
      subject = await open();
    });
    after(async () => {
      await subject[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    });
    const register: LogCase = (title, body) => {
      void it(title, async () => body(logTable(await subject.newTable(), directory)));
    };
    writingCases(register);
    readingCases(register);
    followingCases(register);
    growthCases(register);
  });
}

import { createHash } from "node:crypto";
import type { TableStore } from "@hybridge/landing";
import type { WantedFile } from "./plan-loads.ts";

/** `_` hides the folder from whoever reads the landed files. */
const FOLDER = "_loads";

/** What of a table's store the manifests need. */
export type ManifestStore = Pick<TableStore, "create" | "locationOf" | "list" | "remove">;

/** The manifests of loads: small objects that COPY reads, and that go when their load is done. */
export interface LoadManifests {
  /**
   * Writes one, named by its load and its content: the same load finds it again. Every file is
   * mandatory, and its length is part of it, which COPY from Parquet requires (AWS: "Using a
   * manifest to specify data files").
   *
   * @returns its s3:// URL
   */
  write(to: number, files: readonly WantedFile[], signal: AbortSignal): Promise<string>;
  /** Removes those of loads that end at or below a commit: nobody can run them any more. */
  removeTo(position: number, signal: AbortSignal): Promise<void>;
}

export function loadManifests(store: ManifestStore): LoadManifests {
  return {
    async write(to, files, signal) {
      const entries = files.map(({ path, bytes }) => ({
        url: store.locationOf(path),
        mandatory: true,
        meta: { content_length: bytes },
      }));
      const content = Buffer.from(`${JSON.stringify({ entries }, undefined, 1)}\n`);
      const digest = createHash("sha256").update(content).digest("hex").slice(0, 32);
      const path = `${FOLDER}/${numberText(to)}-${digest}.manifest`;
      await store.create(path, content, signal);
      return store.locationOf(path);
    },
    async removeTo(position, signal) {
      for (;;) {
        // The first page is always of the oldest, and goes as long as it is done with.
        const { names } = await store.list(FOLDER, "", signal);
        const done = names.filter((name) => Number(name.slice(0, DIGITS)) <= position);
        if (done.length === 0) return;
        await store.remove(
          done.map((name) => `${FOLDER}/${name}`),
          signal,
        );
        if (done.length < names.length) return;
      }
    },
  };
}

const DIGITS = 20;

function numberText(number: number): string {
  return String(number).padStart(DIGITS, "0");
}

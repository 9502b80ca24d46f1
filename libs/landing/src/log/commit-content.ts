import type { LocalFile } from "../store-port.ts";
import type { Action, GapReason, LandedRange, LogFile, OffsetRange, TopicKey } from "./protocol.ts";

/** A file of rows that is to be landed. Its name is given when it is staged. */
export interface FileToStage {
  /** "2026-11-26" and "14". */
  readonly dt: string;
  readonly hr: string;
  /** ".parquet" */
  readonly suffix: string;
  readonly rows: number;
  readonly local: LocalFile;
  /** The exact records, for the sibling under `_raw/`. */
  readonly raw?: LocalFile;
}

/** What a flush says; all of it in one commit. */
export interface CommitContent {
  readonly advances?: readonly (TopicKey & { readonly ranges: readonly LandedRange[] })[];
  readonly gaps?: readonly (TopicKey &
    OffsetRange & {
      readonly partition: number;
      readonly why: GapReason;
      readonly what: string;
    })[];
  /** The column list of `files`; told to the log when it does not know it. */
  readonly columns?: { readonly id: string; readonly names: readonly string[] };
  readonly files?: readonly FileToStage[];
  /** Files with dead letters, as gzipped NDJSON. */
  readonly dead?: readonly { readonly rows: number; readonly local: LocalFile }[];
  /** Anything else, as it is: nothing is uploaded for it. */
  readonly actions?: readonly Action[];
}

/** A file of a commit, and where its content is. */
export interface Upload {
  readonly path: string;
  readonly local: LocalFile;
}

export interface ContentContext {
  readonly now: Date;
  readonly knowsColumns: (id: string) => boolean;
  /** 32 hexadecimal digits that were never there before. */
  readonly randomHex: () => string;
}

/** Names the files, and says the whole as actions. Uploads come in the order of the body. */
export function actionsOf(
  content: CommitContent,
  context: ContentContext,
): { actions: Action[]; uploads: Upload[] } {
  const { advances = [], gaps = [], columns, files = [], dead = [] } = content;
  const uploads: Upload[] = [];
  const take = (path: string, local: LocalFile) => {
    uploads.push({ path, local });
    return { path, bytes: local.bytes, sha256: local.sha256 };
  };
  const actions: Action[] = [];
  for (const advance of advances) actions.push({ do: "advance", ...advance });
  for (const gap of gaps) actions.push({ do: "gap", ...gap });
  if (columns && !context.knowsColumns(columns.id)) actions.push({ do: "columns", ...columns });
  if (columns && files.length > 0) {
    const added = files.map((file): LogFile => {
      const path = `dt=${file.dt}/hr=${file.hr}/${context.randomHex()}${file.suffix}`;
      const landed = { ...take(path, file.local), rows: file.rows };
      return file.raw ? { ...landed, raw: take(`_raw/${path}`, file.raw) } : landed;
    });
    actions.push({ do: "add", columns: columns.id, files: added });
  }
  if (dead.length > 0) {
    const hour = context.now.toISOString().slice(0, 13).replace("T", "/");
    const letters = dead.map(({ rows, local }): LogFile => {
      const path = `_dead/${hour}/${context.randomHex()}.ndjson.gz`;
      return { ...take(path, local), rows };
    });
    actions.push({ do: "dead", files: letters });
  }
  actions.push(...(content.actions ?? []));
  return { actions, uploads };
}

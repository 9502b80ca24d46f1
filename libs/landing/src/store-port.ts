/** A file on local disk that is to be stored. */
export interface LocalFile {
  readonly localPath: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** One page of a folder. */
export interface Page {
  /** Names in the folder, without it, in the order of their bytes; those of folders end with "/". */
  readonly names: readonly string[];
  readonly more: boolean;
}

/** A small object that is durable under a hidden name and may become another, once. */
export interface Draft {
  /**
   * Gives it its name if and only if that is free. "exists" is also the answer when an earlier try
   * of this very call succeeded and its response was lost: who must know reads the name.
   *
   * @throws HybridgeError when it is not known what became of it; calling again is right
   */
  createAs(path: string, signal: AbortSignal): Promise<"created" | "exists">;
}

/**
 * What a store of files must be able to do: HDFS, S3 and memory. Paths have slashes and are relative
 * to the folder of the table. Everything durable when the call returns; nothing is believed that the
 * store did not confirm. Errors are HybridgeErrors whose `retry` says what to do.
 */
export interface TableStore {
  readonly scheme: string;
  /** True: files are uploaded under hidden names and moved (HDFS). False: they are where they will be. */
  readonly moves: boolean;
  /** What the catalog and people call the file: an HDFS path or an s3:// URL. */
  locationOf(path: string): string;

  /** A whole small file; undefined when there is none. */
  read(path: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Writes or replaces a small file; a reader sees the old or the new content, whole. */
  put(path: string, bytes: Buffer, signal: AbortSignal): Promise<void>;
  /** Creates a small file if nothing has its name; it appears whole or not at all. */
  create(path: string, bytes: Buffer, signal: AbortSignal): Promise<"created" | "exists">;
  /** Stores bytes under `path`, from where the draft may be given its name. */
  draft(path: string, bytes: Buffer, signal: AbortSignal): Promise<Draft>;
  /** The names that come after `after`. No folder is an empty folder. */
  list(folder: string, after: string, signal: AbortSignal): Promise<Page>;
  /** Removes files; a path that ends with "/" is a folder with all that is in it. Absent is fine. */
  remove(paths: readonly string[], signal: AbortSignal): Promise<void>;

  /** Uploads a file and verifies length and content; replaces what is there. */
  upload(path: string, file: LocalFile, signal: AbortSignal): Promise<void>;
  /** Length in bytes; undefined when there is no such file. */
  size(path: string, signal: AbortSignal): Promise<number | undefined>;
  /**
   * Renames a file, making the folders that are missing; nothing is ever overwritten. "absent": `from`
   * is not there (and `to` may be). Only where `moves`.
   */
  move(from: string, to: string, signal: AbortSignal): Promise<"moved" | "absent" | "exists">;
}

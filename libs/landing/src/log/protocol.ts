// The words of docs/landing-log.md, as types. Offsets are bigints here and decimal text there.

export interface TopicKey {
  /** Kafka cluster id. */
  readonly cluster: string;
  readonly topic: string;
  /** Kafka's topic id, or `topic:<name>` where brokers have none. */
  readonly topicId: string;
}

/** Offsets `from` inclusive to `to` exclusive. */
export interface OffsetRange {
  readonly from: bigint;
  readonly to: bigint;
}

export interface LandedRange extends OffsetRange {
  readonly partition: number;
  readonly rows: number;
  readonly dead: number;
  /** Sum over the rows of the number that the first 15 hex digits of the value's MD5 make. */
  readonly md5Sum: bigint;
}

export interface LogFile {
  /** Relative to the table's folder. */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The sibling with the exact records, on the external side. */
  readonly raw?: Omit<LogFile, "rows" | "raw">;
}

/** A file by the commit that brought it. */
export interface FileReference {
  readonly commit: number;
  readonly path: string;
}

export type GapReason = "start" | "retention" | "recreated" | "corrupt" | "operator";

export type Action =
  | ({ readonly do: "advance"; readonly ranges: readonly LandedRange[] } & TopicKey)
  | { readonly do: "columns"; readonly id: string; readonly names: readonly string[] }
  | { readonly do: "add"; readonly columns: string; readonly files: readonly LogFile[] }
  | { readonly do: "dead"; readonly files: readonly LogFile[] }
  | ({
      readonly do: "gap";
      readonly partition: number;
      readonly why: GapReason;
      readonly what: string;
    } & TopicKey &
      OffsetRange)
  | { readonly do: "sweep"; readonly below: number }
  | {
      readonly do: "replace";
      readonly out: readonly FileReference[];
      readonly columns: string;
      readonly files: readonly LogFile[];
    }
  | { readonly do: "expire"; readonly out: readonly FileReference[] }
  | { readonly do: "expire"; readonly below: number }
  | {
      readonly do: "quarantine";
      readonly out: readonly FileReference[];
      readonly why: "refused" | "missing" | "altered";
      readonly what: string;
    }
  | {
      readonly do: "erase";
      readonly out: readonly FileReference[];
      readonly columns: string;
      readonly files: readonly LogFile[];
      readonly who: string;
      readonly why: string;
      readonly rows: number;
    };

/** What a commit says; its number is its name, never its content. */
export interface Commit {
  readonly log: string;
  /** 32 hex digits, random, new for every body. */
  readonly id: string;
  /** The last commit that its writer knew before it staged the first file. */
  readonly base: number;
  /** Milliseconds since 1970 by the writer's clock. */
  readonly at: number;
  readonly writer: string;
  readonly actions: readonly Action[];
  /** Of commit 0 only. */
  readonly version?: number;
  readonly table?: string;
}

/** A commit in its place, and whether it counts. */
export interface NumberedCommit {
  readonly number: number;
  readonly commit: Commit;
}

import { gunzip } from "./checkpoint-codec.ts";
import { decodeCommit } from "./commit-codec.ts";
import { corrupt } from "./json-members.ts";
import { archivePath, BLOCK_COMMITS } from "./paths.ts";
import type { Commit } from "./protocol.ts";

/** Commits of a block as they are stored, a line each. */
export function encodeArchive(commits: readonly Buffer[]): Buffer {
  // JSON has no line ends that mean anything: in texts they are escaped.
  return Buffer.from(
    commits.map((bytes) => bytes.toString("utf8").replace(/[\r\n]/g, "")).join("\n") + "\n",
  );
}

/** The lines of an archive; each is decoded when it is asked for. */
export class Archive {
  readonly block: number;
  readonly #path: string;
  readonly #lines: readonly string[];

  /** @throws LogCorruptError */
  constructor(block: number, bytes: Buffer) {
    this.block = block;
    this.#path = archivePath(block);
    this.#lines = gunzip(bytes, this.#path).trimEnd().split("\n");
    if (this.#lines.length === BLOCK_COMMITS) return;
    throw corrupt(this.#path, `has ${this.#lines.length} lines instead of ${BLOCK_COMMITS}`);
  }

  /** @throws LogCorruptError and its like, as decodeCommit does */
  commit(number: number, log: string): Commit {
    const line = this.#lines[number - this.block] ?? "";
    return decodeCommit(line, `${this.#path}, commit ${number}`, log);
  }
}

import { LogForeignError, LogUnknownActionError, LogVersionError } from "./errors.ts";
import {
  asMembers,
  corrupt,
  countIn,
  hexIn,
  listIn,
  offsetIn,
  parseObject,
  proseIn,
  sumIn,
  textIn,
  textsIn,
  wordIn,
  type Members,
} from "./json-members.ts";
import type {
  Action,
  Commit,
  FileReference,
  LandedRange,
  LogFile,
  OffsetRange,
  TopicKey,
} from "./protocol.ts";

/** The version of the protocol that this program writes and reads. */
export const LOG_VERSION = 1;

const GAP_REASONS = ["start", "retention", "recreated", "corrupt", "operator"] as const;
const QUARANTINE_REASONS = ["refused", "missing", "altered"] as const;

/** A commit as it is stored: members in the order of the document, offsets as text. */
export function encodeCommit(commit: Commit): Buffer {
  return Buffer.from(JSON.stringify({ ...commit, actions: commit.actions.map(plain) }));
}

function plain(action: Action): object {
  if (action.do === "gap") return { ...action, from: String(action.from), to: String(action.to) };
  if (action.do !== "advance") return action;
  const ranges = action.ranges.map(({ partition, from, to, rows, dead, md5Sum }) => {
    return { partition, from: String(from), to: String(to), rows, dead, md5Sum: String(md5Sum) };
  });
  return { ...action, ranges };
}

/**
 * Reads a commit, strictly: what it says is what it must say, or nobody goes on.
 *
 * @param where what people call it, for errors
 * @param log the UUID that it must have; undefined while that is not known (commit 0)
 * @throws LogCorruptError, LogForeignError, LogVersionError, LogUnknownActionError
 */
export function decodeCommit(bytes: Buffer | string, where: string, log?: string): Commit {
  const from = parseObject(typeof bytes === "string" ? bytes : bytes.toString("utf8"), where);
  const founding = from["version"] === undefined ? {} : foundingOf(from, where);
  const own = textIn(from, "log", where);
  if (log !== undefined && own !== log) throw foreign(where, own, log);
  return {
    log: own,
    id: hexIn(from, "id", 32, where),
    base: countIn(from, "base", where),
    at: countIn(from, "at", where),
    writer: textIn(from, "writer", where),
    actions: listIn(from, "actions", where).map((value) => decodeAction(value, where)),
    ...founding,
  };
}

/** Throws unless this program knows the version. */
export function checkVersion(version: unknown, where: string): void {
  if (version === LOG_VERSION) return;
  const message =
    `${where} has version ${JSON.stringify(version)} of the landing log; this program reads ` +
    `${LOG_VERSION}. Update it: a newer one works on the table`;
  throw new LogVersionError(message);
}

function foundingOf(from: Members, where: string): Pick<Commit, "version" | "table"> {
  checkVersion(from["version"], where);
  return { version: LOG_VERSION, table: textIn(from, "table", where) };
}

function foreign(where: string, own: string, log: string): LogForeignError {
  const message =
    `${where} belongs to the log ${own}, not to ${log}: it came from another table or from a ` +
    "copy. Take it out of the folder, or land into a folder of its own";
  return new LogForeignError(message);
}

function decodeAction(value: unknown, where: string): Action {
  const from = asMembers(value, `${where}, an action`);
  const name = textIn(from, "do", where);
  const decode = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (decode) return decode(from, `${where}, ${name}`);
  const message =
    `${where} has the action "${name}", which this version does not know: a newer one works on ` +
    "the table. Update this one; nothing was passed over";
  throw new LogUnknownActionError(message);
}

const ACTIONS: Readonly<Record<string, (from: Members, where: string) => Action>> = {
  advance: (from, where) => ({
    do: "advance",
    ...topicOf(from, where),
    ranges: listIn(from, "ranges", where).map((range) => rangeOf(asMembers(range, where), where)),
  }),
  columns: (from, where) => ({
    do: "columns",
    id: textIn(from, "id", where),
    names: textsIn(from, "names", where),
  }),
  add: (from, where) => ({ do: "add", ...filesIn(from, where) }),
  dead: (from, where) => ({ do: "dead", files: filesOf(from, where) }),
  gap: (from, where) => ({
    do: "gap",
    ...topicOf(from, where),
    partition: countIn(from, "partition", where),
    ...offsetsOf(from, where),
    why: wordIn(from, "why", GAP_REASONS, where),
    what: proseIn(from, "what", where),
  }),
  sweep: (from, where) => ({ do: "sweep", below: countIn(from, "below", where) }),
  replace: (from, where) => ({
    do: "replace",
    out: referencesOf(from, where),
    ...filesIn(from, where),
  }),
  expire: (from, where) =>
    from["below"] === undefined
      ? { do: "expire", out: referencesOf(from, where) }
      : { do: "expire", below: countIn(from, "below", where) },
  quarantine: (from, where) => ({
    do: "quarantine",
    out: referencesOf(from, where),
    why: wordIn(from, "why", QUARANTINE_REASONS, where),
    what: proseIn(from, "what", where),
  }),
  erase: (from, where) => ({
    do: "erase",
    out: referencesOf(from, where),
    ...filesIn(from, where),
    who: textIn(from, "who", where),
    why: proseIn(from, "why", where),
    rows: countIn(from, "rows", where),
  }),
};

export function topicOf(from: Members, where: string): TopicKey {
  return {
    cluster: textIn(from, "cluster", where),
    topic: textIn(from, "topic", where),
    topicId: textIn(from, "topicId", where),
  };
}

export function offsetsOf(from: Members, where: string): OffsetRange {
  const range = { from: offsetIn(from, "from", where), to: offsetIn(from, "to", where) };
  if (range.from < range.to) return range;
  throw corrupt(where, `offsets ${range.from} to ${range.to} are no range`);
}

function rangeOf(from: Members, where: string): LandedRange {
  return {
    partition: countIn(from, "partition", where),
    ...offsetsOf(from, where),
    rows: countIn(from, "rows", where),
    dead: countIn(from, "dead", where),
    md5Sum: sumIn(from, "md5Sum", where),
  };
}

function filesIn(from: Members, where: string): { columns: string; files: readonly LogFile[] } {
  return { columns: textIn(from, "columns", where), files: filesOf(from, where) };
}

function filesOf(from: Members, where: string): readonly LogFile[] {
  return listIn(from, "files", where).map((value) => {
    const file = asMembers(value, where);
    const whole = { ...contentOf(file, where), rows: countIn(file, "rows", where) };
    const { path, bytes, sha256, rows } = whole;
    if (file["raw"] === undefined) return { path, rows, bytes, sha256 };
    return { path, rows, bytes, sha256, raw: contentOf(asMembers(file["raw"], where), where) };
  });
}

function contentOf(from: Members, where: string): { path: string; bytes: number; sha256: string } {
  return {
    path: pathIn(from, where),
    bytes: countIn(from, "bytes", where),
    sha256: hexIn(from, "sha256", 64, where),
  };
}

export function referencesOf(from: Members, where: string): readonly FileReference[] {
  return listIn(from, "out", where).map((value) => referenceOf(asMembers(value, where), where));
}

export function referenceOf(from: Members, where: string): FileReference {
  return { commit: countIn(from, "commit", where), path: pathIn(from, where) };
}

/** A path that stays in the table's folder and out of the log: files are moved and removed by it. */
function pathIn(from: Members, where: string): string {
  const path = textIn(from, "path", where);
  const parts = path.split("/");
  const strays = parts.some((part) => part === "" || part === "." || part === "..");
  if (!strays && parts[0] !== "_log" && parts[0] !== "_staging") return path;
  throw corrupt(where, `"${path}" is no path of a file of the table`);
}

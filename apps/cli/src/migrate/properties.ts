/** One entry of a Java property file. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly file: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

/**
 * Reads a property file as java.util.Properties does: comments with # or !, `=`, `:` or blanks
 * between key and value, a backslash at the end of a line, and its escapes. The last of equal keys counts.
 */
export function readProperties(text: string, file: string): Entry[] {
  const lines = text.split(/\r\n|\r|\n/);
  const entries = new Map<string, Entry>();
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    let logical = (lines[index] ?? "").trimStart();
    if (logical === "" || logical.startsWith("#") || logical.startsWith("!")) continue;
    while (endsOpen(logical) && index + 1 < lines.length) {
      index += 1;
      logical = logical.slice(0, -1) + (lines[index] ?? "").trimStart();
    }
    const match = /^((?:\\.|[^\\=:\s])*)(?:\s*[=:]\s*|\s+|$)(.*)$/s.exec(logical);
    if (!match) continue;
    const key = unescaped(match[1] ?? "");
    entries.set(key, { key, value: unescaped(match[2] ?? "").trimEnd(), file, line });
  }
  return [...entries.values()];
}

/** A line goes on when it ends with an odd number of backslashes. */
function endsOpen(line: string): boolean {
  return (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1;
}

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|(.))/gs,
    (_all, code: string | undefined, char: string) => {
      return code === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(parseInt(code, 16));
    },
  );
}

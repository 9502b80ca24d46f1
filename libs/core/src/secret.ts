import { readFileSync, statSync } from "node:fs";
import { inspect } from "node:util";

const HIDDEN = "[secret]";

/**
 * A password, token or key. It never shows in logs, errors or JSON; whoever needs the text asks for
 * it at each use, because the file that it came from may have changed since.
 */
export class Secret {
  readonly #read: () => string;

  private constructor(read: () => string) {
    this.#read = read;
  }

  /** A secret that stays as it is. */
  static of(text: string): Secret {
    return new Secret(() => text);
  }

  /**
   * A secret in a file, without the line break at its end. The file is looked at on each use and
   * read again when it changed; while it cannot be read, or is empty, the former text counts, so
   * that a rotation which replaces the file in two steps is not an outage.
   *
   * @throws the system's error, or a RangeError for an empty file, when it cannot be read now
   */
  static fromFile(path: string): Secret {
    let known = versionOf(path);
    let text = textOf(path);
    return new Secret(() => {
      try {
        const version = versionOf(path);
        if (version !== known) [text, known] = [textOf(path), version];
      } catch {
        // As the docstring says: the former text counts.
      }
      return text;
    });
  }

  /** The text, as it is now. Not to be kept. */
  value(): string {
    return this.#read();
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** A file's text without the line break at its end. @throws RangeError when it is empty */
export function textOf(path: string): string {
  const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  if (text === "") throw new RangeError("it is empty");
  return text;
}

/** What changes when a file is written, or replaced by a link as Kubernetes does. */
export function versionOf(path: string): string {
  const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

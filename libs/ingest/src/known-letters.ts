import type { DeadLetter } from "./dead-letters.ts";

type Key = Pick<DeadLetter, "sequence" | "item" | "index" | "mark">;
type OldKey = Pick<DeadLetter, "file" | "line" | "byteOffset">;

const PAGE_ITEMS = 1_024;

/**
 * Which letters are on the disk: by stream and place, the checksum of the stream up to there. Four
 * bytes a place, so that a million letters are four megabytes. The checksum tells a file that was
 * replaced by another that begins alike: its letters are new.
 */
export class KnownLetters {
  readonly #pages = new Map<string, Map<number, Uint32Array>>();
  /** Of an earlier version, which named no stream. */
  readonly #old = new Set<string>();

  has(letter: Key & OldKey): boolean {
    const { page, at } = placeOf(letter);
    const found = this.#pages.get(nameOf(letter))?.get(page)?.[at];
    return found === stored(letter.mark) || (this.#old.size > 0 && this.#old.has(oldKey(letter)));
  }

  add(letter: Key): void {
    const { page, at } = placeOf(letter);
    const name = nameOf(letter);
    let pages = this.#pages.get(name);
    if (!pages) this.#pages.set(name, (pages = new Map<number, Uint32Array>()));
    let marks = pages.get(page);
    if (!marks) pages.set(page, (marks = new Uint32Array(PAGE_ITEMS)));
    marks[at] = stored(letter.mark);
  }

  /** Learns the letter of a line; only its beginning is needed. */
  addLine(bytes: Buffer): void {
    const text = bytes.toString("utf8");
    const match = LINE.exec(text);
    if (match) {
      const [, sequence = '""', item, index, mark] = match;
      this.add({
        sequence: JSON.parse(sequence) as string,
        item: Number(item),
        index: Number(index),
        mark: Number(mark),
      });
      return;
    }
    const old = OLD_LINE.exec(text);
    if (!old) return;
    const [, file = '""', line, byteOffset] = old;
    this.#old.add(
      oldKey({
        file: JSON.parse(file) as string,
        line: Number(line),
        byteOffset: Number(byteOffset),
      }),
    );
  }
}

const LINE = /^\{"stream":("(?:[^"\\]|\\.)*"),"place":(\d+),"index":(\d+),"mark":(\d+),/;
const OLD_LINE = /^\{"file":("(?:[^"\\]|\\.)*"),"item":(\d+),"byteOffset":(\d+)/;

/** Zero is the empty place. */
function stored(mark: number): number {
  return mark === 0 ? 1 : mark;
}

function nameOf({ sequence, index }: Key): string {
  return index === 0 ? sequence : `${sequence} ${index}`;
}

function placeOf({ item }: Key) {
  return { page: Math.floor(item / PAGE_ITEMS), at: item % PAGE_ITEMS };
}

function oldKey({ file, line, byteOffset }: OldKey): string {
  return `${file}\n${line}\n${byteOffset}`;
}

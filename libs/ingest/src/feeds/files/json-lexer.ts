const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What may come next. */
type Expect = "value" | "value-or-close" | "key" | "key-or-close" | "colon" | "comma-or-close";

/**
 * How a run ended: the input did; the value did; a list opens that is a member of the outermost
 * object; or these bytes cannot be JSON.
 */
export type Outcome = "more" | "done" | "list" | "invalid";

/** Deeper is no post (libs/tweet refuses more than 512), and the stack here must have an end. */
const DEPTH_MAX = 4_096;

/**
 * Finds the end of one JSON value in bytes that come in chunks: brackets, strings, commas and
 * colons, without recursion. What a number or a word is made of it leaves to who reads the value.
 */
export class JsonLexer {
  #expect: Expect = "value";
  /** Open brackets; true is an object. */
  #open: boolean[] = [];
  #inString = false;
  #escaped = false;
  #inScalar = false;

  reset(): void {
    this.#expect = "value";
    this.#open = [];
    this.#inString = false;
    this.#escaped = false;
    this.#inScalar = false;
  }

  /** Goes on in an object, behind the value of one of its members. */
  resumeObject(): void {
    this.reset();
    this.#open = [true];
    this.#expect = "comma-or-close";
  }

  /**
   * @returns where it stopped: after "done" just past the value (a bare word or number ends before
   * what follows it), after "list" at the bracket, after "invalid" at the byte in question
   */
  run(chunk: Buffer, from: number): { readonly outcome: Outcome; readonly at: number } {
    let at = from;
    while (at < chunk.length) {
      if (this.#inString) {
        const end = this.#runString(chunk, at);
        if (end < 0) return { outcome: "invalid", at: -1 - end };
        at = end;
        if (this.#isDone()) return { outcome: "done", at };
        continue;
      }
      const byte = chunk[at] ?? 0;
      if (this.#inScalar) {
        if (isScalar(byte)) {
          at += 1;
          continue;
        }
        this.#inScalar = false;
        this.#expect = "comma-or-close";
        if (this.#isDone()) return { outcome: "done", at };
      }
      if (isSpace(byte)) {
        at += 1;
        continue;
      }
      if (byte === OPEN_LIST && this.#isMember()) return { outcome: "list", at };
      if (!this.#take(byte)) return { outcome: "invalid", at };
      at += 1;
      if (this.#isDone()) return { outcome: "done", at };
    }
    return { outcome: "more", at };
  }

  /** The list at which a run stopped is nothing special: go into it. */
  enterList(): void {
    this.#open.push(false);
    this.#expect = "value-or-close";
  }

  /** @returns just past what it ran over, or -1 - the place of what no string may hold */
  #runString(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        return at + 1;
      }
      // RFC 8259, section 7: control characters must be escaped. A line feed tells a torn line.
      if (byte < 0x20) return -1 - at;
    }
    return chunk.length;
  }

  #isDone(): boolean {
    return this.#open.length === 0 && this.#expect === "comma-or-close" && !this.#inString;
  }

  #isMember(): boolean {
    return this.#open.length === 1 && this.#open[0] === true && this.#expect === "value";
  }

  #take(byte: number): boolean {
    switch (this.#expect) {
      case "value":
        return this.#beginValue(byte);
      case "value-or-close":
        return byte === CLOSE_LIST ? this.#close(false) : this.#beginValue(byte);
      case "key":
        return byte === QUOTE && this.#beginKey();
      case "key-or-close":
        return byte === CLOSE_OBJECT ? this.#close(true) : byte === QUOTE && this.#beginKey();
      case "colon":
        this.#expect = "value";
        return byte === COLON;
      case "comma-or-close":
        if (byte !== COMMA) return this.#closeBy(byte);
        this.#expect = this.#open.at(-1) === true ? "key" : "value";
        return true;
    }
  }

  #beginKey(): true {
    this.#inString = true;
    this.#expect = "colon";
    return true;
  }

  #beginValue(byte: number): boolean {
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      if (this.#open.length >= DEPTH_MAX) return false;
      this.#open.push(byte === OPEN_OBJECT);
      this.#expect = byte === OPEN_OBJECT ? "key-or-close" : "value-or-close";
      return true;
    }
    if (byte === QUOTE) {
      this.#inString = true;
      this.#expect = "comma-or-close";
      return true;
    }
    this.#inScalar = isScalar(byte);
    return this.#inScalar;
  }

  #closeBy(byte: number): boolean {
    if (byte === CLOSE_OBJECT) return this.#close(true);
    return byte === CLOSE_LIST && this.#close(false);
  }

  #close(isObject: boolean): boolean {
    if (this.#open.pop() !== isObject) return false;
    this.#expect = "comma-or-close";
    return true;
  }
}

/** Letters, digits, sign and point: of numbers, true, false and null, and of what is none of them. */
function isScalar(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e
  );
}

export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

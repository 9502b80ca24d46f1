import { isSpace, JsonLexer } from "./json-lexer.ts";
import { PieceBuilder } from "./piece.ts";
import type { Item } from "./items.ts";

const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const LINE_FEED = 0x0a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;

type Mode =
  /** Before a value. */
  | "between"
  | "value"
  /** Behind the list `statuses` of an object. */
  | "rest"
  /** In something that is no JSON, until a line begins as values here do. */
  | "broken";

/**
 * Cuts JSON that is spread over lines into its posts, each with the exact bytes it came in: the
 * elements of a list, those of the list `statuses` of an object, or else whole objects, one after
 * the other. The bytes come in chunks; of one value no more than `keptMax` are held.
 *
 * What is no JSON is an item too: whoever reads it finds out. It reaches to the next line that
 * begins with a brace as far to the right as the values before, so that one bad value among
 * others does not take those behind it along.
 */
export class ValueSlicer {
  readonly #lexer = new JsonLexer();
  readonly #piece: PieceBuilder;
  #mode: Mode = "between";
  #list: "none" | "outermost" | "member" = "none";
  /** Absolute place of the chunk, and of the value that is open. */
  #base: number;
  #start = 0;
  #number = 0;
  /** Spaces since the line began; undefined when something else stands before. */
  #column: number | undefined = 0;
  /** Column at which the values of this list begin their lines. */
  #indent: number | undefined = 0;
  #items: Item[] = [];

  constructor(keptMax: number, byteOffset: number) {
    this.#piece = new PieceBuilder(keptMax);
    this.#base = byteOffset;
  }

  /** @returns the items that end in this chunk */
  push(chunk: Buffer): Item[] {
    for (let at = 0; at < chunk.length;) {
      if (this.#mode === "between") at = this.#between(chunk, at);
      else if (this.#mode === "value") at = this.#value(chunk, at);
      else if (this.#mode === "rest") at = this.#rest(chunk, at);
      else at = this.#broken(chunk, at);
    }
    this.#base += chunk.length;
    return this.#taken();
  }

  /** @returns what stands open when the input ends */
  end(): Item[] {
    if (this.#piece.length > 0) this.#finish();
    return this.#taken();
  }

  /** Whether it is inside a list whose elements it gives one by one. */
  get isInList(): boolean {
    return this.#list !== "none";
  }

  #taken(): Item[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  #finish(): void {
    this.#number += 1;
    this.#items.push({
      number: this.#number,
      byteOffset: this.#start,
      ...this.#piece.take(),
    });
    this.#mode = "between";
    this.#column = undefined;
  }

  #between(chunk: Buffer, at: number): number {
    const byte = chunk[at] ?? 0;
    if (isSpace(byte)) {
      if (byte === LINE_FEED) this.#column = 0;
      else if (this.#column !== undefined) this.#column += 1;
      return at + 1;
    }
    if (byte === COMMA || byte === SEMICOLON) {
      this.#column = undefined;
      return at + 1;
    }
    if (byte === CLOSE_LIST && this.#list !== "none") {
      this.#leaveList();
      return at + 1;
    }
    if (byte === OPEN_LIST && this.#list === "none") {
      this.#enterList("outermost");
      return at + 1;
    }
    if (this.#list !== "none") this.#indent ??= this.#column;
    this.#begin(at);
    return at;
  }

  #begin(at: number): void {
    this.#mode = "value";
    this.#start = this.#base + at;
    this.#lexer.reset();
  }

  #enterList(list: "outermost" | "member"): void {
    this.#list = list;
    this.#mode = "between";
    this.#column = undefined;
    this.#indent = undefined;
  }

  #leaveList(): void {
    if (this.#list === "member") {
      this.#mode = "rest";
      this.#lexer.resumeObject();
    }
    this.#list = "none";
    this.#column = undefined;
    this.#indent = 0;
  }

  #value(chunk: Buffer, from: number): number {
    const { outcome, at } = this.#lexer.run(chunk, from);
    this.#piece.add(chunk.subarray(from, at));
    if (outcome === "done") this.#finish();
    if (outcome === "invalid") this.#breakOff();
    if (outcome !== "list") return at;
    if (this.#list === "none" && this.#piece.endsWith(/"statuses"\s*:\s*$/) !== undefined) {
      this.#piece.take();
      this.#enterList("member");
    } else {
      this.#lexer.enterList();
      this.#piece.add(chunk.subarray(at, at + 1));
    }
    return at + 1;
  }

  #rest(chunk: Buffer, from: number): number {
    const { outcome, at } = this.#lexer.run(chunk, from);
    if (outcome === "done") this.#mode = "between";
    if (outcome === "invalid") {
      this.#start = this.#base + at;
      this.#breakOff();
    }
    if (outcome !== "list") return at;
    this.#lexer.enterList();
    return at + 1;
  }

  #breakOff(): void {
    this.#mode = "broken";
    this.#column = this.#piece.endsWith(/\n([ \t\r]*)$/)?.[1]?.length;
  }

  #broken(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === LINE_FEED) this.#column = 0;
      else if (this.#column === undefined) {
        const feed = chunk.indexOf(LINE_FEED, at);
        at = (feed < 0 ? chunk.length : feed) - 1;
      } else if (isSpace(byte)) this.#column += 1;
      else if (byte === OPEN_OBJECT && this.#column === this.#indent) {
        this.#piece.add(chunk.subarray(from, at));
        if (this.#piece.length > 0) this.#finish();
        this.#begin(at);
        return at;
      } else this.#column = undefined;
    }
    this.#piece.add(chunk.subarray(from));
    return chunk.length;
  }
}

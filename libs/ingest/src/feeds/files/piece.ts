import { createHash, type Hash } from "node:crypto";

/** What was cut out of a file: all of its bytes, or the first of them when there are too many. */
export interface Piece {
  readonly bytes: Buffer;
  /** Of the whole. */
  readonly length: number;
  /** Present when `bytes` is only a part: the SHA-256 of the whole, in hex. */
  readonly sha256?: string;
}

/** Collects a piece that comes in parts, holding no more than `keptMax` bytes of it. */
export class PieceBuilder {
  readonly #keptMax: number;
  #parts: Buffer[] = [];
  #kept = 0;
  #length = 0;
  #hash: Hash | undefined;

  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  get length(): number {
    return this.#length;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    const room = this.#keptMax - this.#kept;
    if (part.length <= room) {
      this.#parts.push(part);
      this.#kept += part.length;
      return;
    }
    this.#hash ??= hashOf(this.#parts);
    this.#hash.update(part);
    if (room > 0) {
      this.#parts.push(part.subarray(0, room));
      this.#kept += room;
    }
  }

  /** How what was collected ends; looks at the last 64 bytes, and at nothing when some were not kept. */
  endsWith(pattern: RegExp): RegExpExecArray | undefined {
    if (this.#hash) return undefined;
    let tail = Buffer.alloc(0);
    for (let last = this.#parts.length - 1; last >= 0 && tail.length < 64; last--) {
      tail = Buffer.concat([this.#parts[last] ?? tail, tail]).subarray(-64);
    }
    return pattern.exec(tail.toString("latin1")) ?? undefined;
  }

  /** Hands the piece out and begins anew. */
  take(): Piece {
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts);
    const piece = {
      bytes,
      length: this.#length,
      ...(this.#hash ? { sha256: this.#hash.digest("hex") } : {}),
    };
    this.#parts = [];
    this.#kept = 0;
    this.#length = 0;
    this.#hash = undefined;
    return piece;
  }
}

function hashOf(parts: readonly Buffer[]): Hash {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash;
}

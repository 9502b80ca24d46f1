import { MalformedError } from "../errors.ts";

/**
 * Cuts a byte stream into the frames of the Kafka protocol (32-bit length, then that many bytes).
 * Each frame is a buffer of its own that belongs to whoever receives it.
 */
export class FrameAssembler {
  readonly #bytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #allocate: (bytes: number) => Buffer;
  readonly #length = Buffer.alloc(4);
  /** Small frames arrive here, many at a time; the body of a large one goes where it belongs. */
  readonly #staging = Buffer.allocUnsafeSlow(32 * 1024);
  #lengthFilled = 0;
  #frame: Buffer | undefined;
  #filled = 0;

  constructor(
    bytesMax: number,
    onFrame: (frame: Buffer) => void,
    allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafeSlow(bytes),
  ) {
    this.#bytesMax = bytesMax;
    this.#onFrame = onFrame;
    this.#allocate = allocate;
  }

  /** Where the next bytes of the stream are to be written. */
  room(): Buffer {
    return this.#frame ? this.#frame.subarray(this.#filled) : this.#staging;
  }

  /** Says that the next `bytes` bytes were written into room(). */
  filled(bytes: number): void {
    if (this.#frame) this.#advance(bytes);
    else this.append(this.#staging.subarray(0, bytes));
  }

  /** The same for bytes that stand elsewhere. */
  append(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#frame) {
        const bytes = chunk.copy(this.#frame, this.#filled, at);
        at += bytes;
        this.#advance(bytes);
      } else {
        const bytes = chunk.copy(this.#length, this.#lengthFilled, at);
        at += bytes;
        this.#lengthFilled += bytes;
        if (this.#lengthFilled === 4) this.#begin();
      }
    }
  }

  #advance(bytes: number): void {
    this.#filled += bytes;
    if (!this.#frame || this.#filled < this.#frame.length) return;
    const frame = this.#frame;
    this.#frame = undefined;
    this.#onFrame(frame);
  }

  #begin(): void {
    const length = this.#length.readInt32BE(0);
    // The shortest answer is a correlation id.
    if (length < 4 || length > this.#bytesMax) {
      throw new MalformedError(
        `receive a frame: its length is ${length} (${this.#length.toString("latin1").replace(/[^ -~]/g, ".")}), from 4 to ${this.#bytesMax} are possible; check that the port is a Kafka listener without TLS`,
      );
    }
    this.#lengthFilled = 0;
    this.#filled = 0;
    this.#frame = this.#allocate(length);
  }
}

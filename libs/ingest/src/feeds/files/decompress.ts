import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from "node:zlib";

/** How a file's bytes are packed; its first bytes tell, never its name. */
export type Packing = "none" | "gzip" | "zstd";

/** RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (a skippable frame may come first). */
export function packingOf(head: Buffer): Packing {
  if (head.length >= 3 && head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08) return "gzip";
  if (head.length < 4) return "none";
  const magic = head.readUInt32LE(0);
  const isFrame = magic === 0xfd2fb528;
  const isSkippable = (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
  return isFrame || isSkippable ? "zstd" : "none";
}

/** 16 KiB may become 16 MiB, which are held until they are read; more at once would be too much. */
const INPUT_BYTES_MAX = 16 * 1024;

type Engine = Gunzip | ZstdDecompress;

/**
 * Unpacks a stream, however many members or frames stand in it one after the other. Where it is
 * cut off or damaged, what stood before is given first and then `onBroken` is told.
 *
 * Node's own streams drop what follows a frame of zstd, and what was unpacked and not yet read
 * when an error comes; so the engine is driven by hand here, a piece at a time.
 */
export async function* unpack(
  chunks: AsyncIterable<Buffer>,
  packing: Exclude<Packing, "none">,
  onBroken: (reason: string) => void,
): AsyncGenerator<Buffer> {
  const engines = new EngineFeed(packing);
  try {
    for await (const chunk of chunks) {
      let at = 0;
      while (at < chunk.length) {
        const input = chunk.subarray(at, at + INPUT_BYTES_MAX);
        const left = await engines.feed(input);
        at += input.length - left;
        yield* engines.taken();
        if (engines.failure !== undefined) {
          onBroken(engines.failure);
          return;
        }
      }
    }
    await engines.finish();
    yield* engines.taken();
    if (engines.failure !== undefined) onBroken(engines.failure);
  } finally {
    engines.close();
  }
}

class EngineFeed {
  failure: string | undefined;
  readonly #packing: Exclude<Packing, "none">;
  #engine: Engine | undefined;
  #fed = 0;
  #output: Buffer[] = [];
  #ended = false;

  constructor(packing: Exclude<Packing, "none">) {
    this.#packing = packing;
  }

  /** @returns how many bytes at the end of it belong to the next member */
  async feed(chunk: Buffer): Promise<number> {
    // Tapes and block devices pad with zeros (gzip(1) ignores them too).
    if (!this.#engine && this.#packing === "gzip" && chunk.every((byte) => byte === 0)) {
      return 0;
    }
    const engine = (this.#engine ??= this.#open());
    this.#fed += chunk.length;
    await new Promise<void>((resolve) => {
      const done = () => {
        engine.off("end", done);
        engine.off("error", done);
        resolve();
      };
      engine.once("end", done);
      engine.once("error", done);
      engine.write(chunk, done);
    });
    if (!this.#ended) return 0;
    const left = this.#fed - engine.bytesWritten;
    this.close();
    return left;
  }

  async finish(): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.failure !== undefined) return;
    await new Promise<void>((resolve) => {
      engine.once("close", resolve);
      engine.end();
    });
  }

  *taken(): Generator<Buffer> {
    const output = this.#output;
    this.#output = [];
    yield* output;
  }

  close(): void {
    this.#engine?.destroy();
    this.#engine = undefined;
    this.#fed = 0;
    this.#ended = false;
  }

  #open(): Engine {
    const options = { chunkSize: 256 * 1024 };
    const engine = this.#packing === "gzip" ? createGunzip(options) : createZstdDecompress(options);
    engine.on("data", (piece: Buffer) => this.#output.push(piece));
    engine.on("end", () => {
      this.#ended = true;
    });
    engine.on("error", (error) => {
      this.failure ??= `its ${this.#packing} stream is cut off or damaged: ${error.message}`;
    });
    return engine;
  }
}

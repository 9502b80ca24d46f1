/** A part of one frame of the Kafka protocol: a 32-bit length, then that many bytes. */
export interface FramePart {
  readonly bytes: Buffer;
  /** The frame's first bytes, as many as were asked for, its length included. */
  readonly head: Buffer;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/**
 * Follows the frames of a byte stream. Each chunk is handed out at once, in parts that belong to
 * one frame each; only what of a frame's head is split over two chunks waits for the second.
 *
 * @param headBytes what is needed to know what a frame is: 8 for an answer, 12 for a request
 */
export function followFrames(headBytes: number): (chunk: Buffer) => FramePart[] {
  let held = Buffer.alloc(0);
  let head = held;
  let left = 0;
  return (chunk) => {
    const parts: FramePart[] = [];
    let rest = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = Buffer.alloc(0);
    while (rest.length > 0) {
      const isFirst = left === 0;
      if (isFirst) {
        if (rest.length < headBytes) {
          held = Buffer.from(rest);
          break;
        }
        head = Buffer.from(rest.subarray(0, headBytes));
        left = 4 + rest.readInt32BE(0);
      }
      const bytes = rest.subarray(0, left);
      left -= bytes.length;
      rest = rest.subarray(bytes.length);
      parts.push({ bytes, head, isFirst, isLast: left === 0 });
    }
    return parts;
  };
}

import { filledLines, type Item } from "./items.ts";
import { ENTRIES_MAX, type Pass } from "./part.ts";

/** What comes cannot be read again: there is no place in it to go on from. */
const NO_CURSOR = "-";

/** Sends the lines of the standard input as they come. */
export async function replayInput(pass: Pass, input: AsyncIterable<Buffer>): Promise<void> {
  for await (const items of filledLines(input, 0)) {
    for (let first = 0; first < items.length && pass.left > 0;) {
      const most = Math.min(ENTRIES_MAX, items.length - first, pass.left);
      const granted = await pass.pace(most, pass.signal);
      await append(pass, items.slice(first, first + granted));
      first += granted;
    }
    if (pass.left <= 0) return;
  }
}

async function append(pass: Pass, items: readonly Item[]): Promise<void> {
  const { records } = await pass.sink.append(
    {
      part: "stdin",
      cursor: NO_CURSOR,
      items: items.map(({ bytes, number, byteOffset }) => {
        return { bytes, origin: { file: "stdin", line: number, byteOffset } };
      }),
    },
    pass.signal,
  );
  pass.left -= records;
}

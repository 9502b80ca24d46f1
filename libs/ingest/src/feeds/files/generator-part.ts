import { postAt } from "@hybridge/tweet";
import { isAfter, type Place } from "../../publisher/sequence.ts";
import {
  cursorOf,
  ENTRIES_MAX,
  isSettled,
  originOf,
  recordsOf,
  send,
  type Entry,
  type Pass,
} from "./part.ts";
import type { StreamProgress } from "./progress.ts";

/** Sends generated posts, from the first that is not there on. */
export async function generate(
  pass: Pass,
  stream: StreamProgress,
  { seed, epochMs }: { readonly seed: number; readonly epochMs: number },
): Promise<void> {
  const end = pass.left;
  let index = stream.last.item + 1;
  const present = Math.min(lowest(stream).item + 1, end);
  if (index === 0 && present > 0) {
    const cursor = cursorOf(stream, { item: present - 1, index: 0 }, 0);
    await pass.sink.append({ items: [], part: stream.name, present, cursor }, pass.signal);
    index = present;
  }
  pass.left -= recordsOf(pass.sink, stream);
  // While one batch is being kept, the next one is made.
  let keeping: Promise<void> = Promise.resolve();
  while (index < end) {
    const count = Math.min(ENTRIES_MAX, end - index);
    const most = await pass.pace(count, pass.signal);
    const entries = Array.from({ length: most }, (_, at): Entry => {
      return entryAt(stream, seed, epochMs, index + at);
    });
    await keeping;
    keeping = send({ ...pass, pace: unhurried, left: Infinity }, stream, entries);
    // Whoever waits for it next is told; until then nobody is.
    keeping.catch(() => undefined);
    index += most;
  }
  await keeping;
}

/** The pace was waited for already. */
const unhurried: Pass["pace"] = (most) => Promise.resolve(most);

function entryAt(stream: StreamProgress, seed: number, epochMs: number, index: number): Entry {
  const { id, schema, json } = postAt(seed, index, epochMs);
  const last = { item: index, index: 0 };
  const origin = originOf(stream, last, 0);
  return {
    item: {
      bytes: Buffer.from(json),
      known: { kind: "post", id, schema },
      origin: { file: stream.name, line: index, byteOffset: 0 },
      place: { stream: stream.name, ...last, mark: 0, origin },
      isPresent: isSettled(stream, Buffer.from(id), last),
    },
    last,
    mark: 0,
    isPost: true,
  };
}

function lowest({ settled }: StreamProgress): Place {
  const [first = { item: -1, index: 0 }] = settled;
  return settled.reduce((low, each) => (isAfter(low, each) ? each : low), first);
}

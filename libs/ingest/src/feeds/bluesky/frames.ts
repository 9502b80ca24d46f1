import { z } from "zod";

/** What a frame of Jetstream says, as far as the feed has to know it. */
export type Frame =
  | {
      readonly kind: "event";
      /** Jetstream's own number of the event: rises within one instance, means nothing in another. */
      readonly seq: number;
      readonly timeMs: number;
      /** What was posted; undefined for everything but a new post. */
      readonly created: CreatedPost | undefined;
    }
  | { readonly kind: "info" | "error"; readonly name: string; readonly message: string }
  | { readonly kind: "unknown" };

export interface CreatedPost {
  readonly text: string;
  readonly languages: readonly string[];
  /** Without #; those of the text stand in it as well. */
  readonly tags: readonly string[];
}

const text = z.string().catch("");
const texts = z.array(z.string()).catch([]);
const event = z.object({
  seq: z.int().nonnegative(),
  time: z.string().transform(Date.parse).pipe(z.number()),
  operation: text,
  record: z.object({ text, langs: texts, tags: texts }).optional().catch(undefined),
});
const message = z.object({ $type: z.literal("message"), payload: z.looseObject({ $type: text }) });
const failure = z.object({ $type: z.literal("error"), error: text, message: text });
const info = z.object({ name: text, message: text });

/**
 * Reads the envelope of a frame (lexicon network.bsky.jetstream.subscribeEvents). What the event is
 * about is for libs/tweet to read: it may be of a form that nobody here knows.
 */
export function readFrame(bytes: Buffer): Frame {
  const root = parsed(bytes);
  const failed = failure.safeParse(root);
  if (failed.success) {
    return { kind: "error", name: failed.data.error, message: failed.data.message };
  }
  const payload = message.safeParse(root).data?.payload;
  if (!payload) return { kind: "unknown" };
  if (payload.$type.endsWith("#info")) return { kind: "info", ...info.parse(payload) };
  const said = event.safeParse(payload).data;
  if (!said) return { kind: "unknown" };
  const { seq, time, operation, record } = said;
  const created =
    operation === "create" && record
      ? { text: record.text, languages: record.langs, tags: record.tags }
      : undefined;
  return { kind: "event", seq, timeMs: time, created };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

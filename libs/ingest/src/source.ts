import type { PostSchema } from "@hybridge/tweet";
import type { LogView, ResumePoint, StreamProgress } from "./publisher/resume.ts";
import type { Place } from "./publisher/sequence.ts";

/** A stream that is being sent. */
export interface OpenStream extends StreamProgress {
  /** Names what the topic had when it began (Sequence.before). */
  readonly before: string;
}

/** Something that a source says about a post, as it will stand in the topic. */
export interface SourcePost {
  /** Of the post; of an author who is gone, `account:` and his id. */
  readonly id: string;
  readonly op: "upsert" | "delete";
  /** The source's JSON, byte for byte. */
  readonly value: Buffer;
  readonly schema: PostSchema;
  /** Counts the items of the whole source; several posts of one item have the same. */
  readonly ordinal: number;
  /** The stream it belongs to, and its place there. */
  readonly stream: OpenStream;
  readonly place: Place;
  /** Checksum of the stream up to and with this item. */
  readonly mark: number;
  /** Where it came from, for people. */
  readonly origin: { readonly file: string; readonly item: number; readonly byteOffset: number };
}

/** Some posts in order, and how many were passed over before them because the topic has them. */
export interface Chunk {
  readonly posts: readonly SourcePost[];
  readonly passedOver: number;
}

/** Where posts come from. Replay is one; others join behind the same port. */
export interface PostSource {
  readonly kind: "replay" | "x" | "bluesky";
  /** What it is called in logs. */
  readonly name: string;
  /** Compares what the topic has with what there is to send. */
  findProgress(log: LogView, signal: AbortSignal): Promise<ResumePoint>;
  /**
   * The posts that the topic may lack, in chunks of a few hundred. The next chunk is only asked for
   * when there is room for it, which is how a slow Kafka pauses the source. Ends when a bounded
   * source is exhausted. What cannot be a post is a dead letter on the disk before a later post
   * comes.
   */
  posts(resume: ResumePoint, signal: AbortSignal): AsyncIterable<Chunk>;
}

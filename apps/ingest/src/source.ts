import type { PostSchema } from "@hybridge/tweet";

/** A post as its source delivered it. */
export interface SourcePost {
  readonly id: string;
  /** The source's JSON, byte for byte. */
  readonly value: Buffer;
  readonly schema: PostSchema;
  /** Where it stands in the source's stream; grows from post to post, not always by one. */
  readonly ordinal: number;
}

/** Some posts in order, and how many were passed over before them because the topic has them. */
export interface Chunk {
  readonly posts: readonly SourcePost[];
  readonly passedOver: number;
}

/**
 * Where posts come from. Replay is one; a live source has the same shape, with its cursor as the
 * ordinal.
 */
export interface PostSource {
  readonly kind: "replay" | "x" | "bluesky";
  /** Names the sequence that ordinals count in: another name, other ordinals. No slash in it. */
  readonly stream: string;
  /**
   * The posts with `ordinal >= from`, in chunks of a few hundred. The next chunk is only asked for
   * when there is room for it, which is how a slow Kafka pauses the source. Ends when a bounded
   * source is exhausted. What cannot be a post becomes a dead letter before the next chunk comes.
   */
  posts(from: number, signal: AbortSignal): AsyncIterable<Chunk>;
}

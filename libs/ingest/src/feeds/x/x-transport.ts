/** A rule as X keeps it. */
export interface XRule {
  readonly id: string;
  readonly value: string;
  readonly tag?: string;
}

/** An open stream. Whoever reads slowly makes X wait, and X waits only so long. */
export interface XStream {
  /** The bytes as they come, in whatever pieces. Ends when X ends it; throws XConnectionError when it breaks. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Ends it at once; `chunks` then ends too. */
  close(): void;
}

/**
 * The requests to X that the feed makes. Implemented with twitter-api-v2, and in memory by the
 * simulator.
 *
 * Each call throws XAnswerError for an answer of X that is not a success, and XConnectionError when
 * there was none.
 */
export interface XTransport {
  /** All rules of the app, those of others included. */
  listRules(signal: AbortSignal): Promise<readonly XRule[]>;
  /** With `dryRun` X only says what it would do. @throws XRulesRefusedError that names each rule */
  addRules(
    rules: readonly Omit<XRule, "id">[],
    options: { readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  deleteRules(ids: readonly string[], signal: AbortSignal): Promise<void>;
  openStream(options: { readonly backfillMinutes: number }, signal: AbortSignal): Promise<XStream>;
}

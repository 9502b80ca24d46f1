/** An open subscription. Nothing is ever sent on it: Jetstream ends a connection on which something is. */
export interface JetstreamConnection {
  /**
   * The frames that came since the last ones, in their order; none when only a ping came. While
   * nobody asks for more, no more is read. Ends with JetstreamConnectionError, whoever ended it.
   */
  readonly frames: AsyncIterable<readonly Buffer[]>;
  close(): void;
}

/** How the feed reaches Jetstream. Implemented with ws, and in memory by the simulator. */
export interface JetstreamTransport {
  /**
   * @throws JetstreamRefusedError for an answer that is no upgrade, JetstreamConnectionError when
   * there was none
   */
  connect(url: string, signal: AbortSignal): Promise<JetstreamConnection>;
  /** The DID that a handle stands for. @throws HandleError */
  resolveHandle(handle: string, signal: AbortSignal): Promise<string>;
}

/** What an answer that is no upgrade says: `{"error":"CursorTooOld","message":"..."}`. */
export interface Refusal {
  readonly error: string;
  readonly message: string;
}

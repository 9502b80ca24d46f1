import { HybridgeError } from "@hybridge/core";

/** Jetstream did not let us in. */
export class JetstreamRefusedError extends HybridgeError {
  readonly code = "BLUESKY_REFUSED";
  readonly retry = "backoff";
  /** The name that Jetstream gives it: CursorTooOld, InvalidRequest, ...; empty when it gives none. */
  readonly reason: string;
  /** In Jetstream's words. */
  readonly detail: string;

  constructor(message: string, refusal: { readonly reason: string; readonly detail: string }) {
    super(message);
    this.reason = refusal.reason;
    this.detail = refusal.detail;
  }
}

/** There was no answer, or the connection ended. */
export class JetstreamConnectionError extends HybridgeError {
  readonly code = "BLUESKY_CONNECTION";
  readonly retry = "backoff";
}

/** An author's handle is nobody's, or could not be looked up. */
export class HandleError extends HybridgeError {
  readonly code = "BLUESKY_HANDLE";
  readonly retry: "never" | "backoff";

  constructor(message: string, retry: "never" | "backoff", options?: ErrorOptions) {
    super(message, options);
    this.retry = retry;
  }
}

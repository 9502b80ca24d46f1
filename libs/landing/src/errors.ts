import { HybridgeError } from "@hybridge/core";
import type { FileReference } from "./log/protocol.ts";

/** The ledger in the store holds something that this version cannot have written. */
export class LedgerCorruptError extends HybridgeError {
  readonly code = "LANDING_LEDGER_CORRUPT";
  readonly retry = "never";
}

/** Another process has moved the position of a catalog: its commits are to be read from there. */
export class CatalogMovedError extends HybridgeError {
  readonly code = "LANDING_CATALOG_MOVED";
  readonly retry = "now";
}

/** A catalog will never take these files; what else there is can go on without them. */
export class CatalogRefusedError extends HybridgeError {
  readonly code = "LANDING_CATALOG_REFUSED";
  readonly retry = "never";
  readonly files: readonly FileReference[];
  readonly why: "refused" | "missing" | "altered";

  constructor(
    message: string,
    files: readonly FileReference[],
    why: "refused" | "missing" | "altered",
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.files = files;
    this.why = why;
  }
}

/** The ledger of a former version was taken over by another log than this one. */
export class LedgerTakenError extends HybridgeError {
  readonly code = "LANDING_LEDGER_TAKEN";
  readonly retry = "never";
}

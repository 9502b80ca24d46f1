import { HybridgeError } from "@hybridge/core";

/** What HiveServer2 said about a statement. */
export interface HiveFailure {
  /** Five characters, such as 42000; empty when the server gave none. */
  readonly sqlState: string;
  /** Hive's ErrorMsg number, such as 10001 for a table that is not there; 0 for none. */
  readonly vendorCode: number;
}

/** Hive refused a statement, or failed while it ran it. */
export class HiveStatementError extends HybridgeError {
  readonly code = "HIVE_STATEMENT";
  override readonly kind = "invalid";
  readonly retry = "never";
  readonly failure: HiveFailure;

  constructor(message: string, failure: HiveFailure, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** The engine ended a statement because its time was over. */
export class HiveTimeoutError extends HybridgeError {
  readonly code = "HIVE_TIMEOUT";
  override readonly kind = "timeout";
  readonly retry = "never";
}

/** HiveServer2 does not accept the user, the password or the way of logging in. */
export class HiveLoginError extends HybridgeError {
  readonly code = "HIVE_LOGIN";
  readonly retry = "never";
}

/** What answers is not a HiveServer2 that we can speak with. */
export class HiveProtocolError extends HybridgeError {
  readonly code = "HIVE_PROTOCOL";
  readonly retry = "never";
}

/** The Hive table cannot hold the rows that this version lands. */
export class HiveSchemaError extends HybridgeError {
  readonly code = "HIVE_SCHEMA";
  readonly retry = "never";
}

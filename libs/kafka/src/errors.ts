import { HybridgeError, retryOf, type Retry } from "@hybridge/core";

/** A broker answered a request with an error code of the protocol. */
export class BrokerError extends HybridgeError {
  readonly code = "KAFKA_BROKER";
  readonly retry: Retry;
  /** The protocol's number, for example 3. */
  readonly kafkaCode: number;
  /** The protocol's name, for example UNKNOWN_TOPIC_OR_PARTITION. */
  readonly kafkaName: string;

  constructor(
    attempt: string,
    kafkaCode: number,
    kafkaName: string,
    retry: Retry,
    detail?: string,
  ) {
    super(
      `${attempt}: the broker answered ${kafkaName} (${kafkaCode})${detail ? `: ${detail}` : ""}`,
    );
    this.kafkaCode = kafkaCode;
    this.kafkaName = kafkaName;
    this.retry = retry;
  }
}

/**
 * A right is missing at the cluster. Somebody may grant it while the process runs, so it is tried
 * again, and told with the name of the right.
 */
export class NotAuthorizedError extends HybridgeError {
  readonly code = "KAFKA_NOT_AUTHORIZED";
  readonly retry = "backoff";
}

/** For loops that try again without telling anybody: a missing right goes to a caller who tells it. */
export function retryUntold(error: unknown): Retry {
  return error instanceof NotAuthorizedError ? "never" : retryOf(error);
}

/** A connection could not be opened, or ended while requests were under way. */
export class ConnectionLostError extends HybridgeError {
  readonly code = "KAFKA_CONNECTION";
  readonly retry = "backoff";
}

/** A broker did not answer in time; whether it did what was asked is unknown. */
export class RequestTimeoutError extends HybridgeError {
  readonly code = "KAFKA_TIMEOUT";
  readonly retry = "backoff";
}

/** Bytes that are not what the protocol says should stand there. */
export class MalformedError extends HybridgeError {
  readonly code = "KAFKA_MALFORMED";
  readonly retry = "backoff";
}

/** A record batch whose bytes do not match its CRC-32C. */
export class CorruptBatchError extends HybridgeError {
  readonly code = "KAFKA_CORRUPT_BATCH";
  readonly retry = "backoff";
}

/** The broker is too old or too new for a request that is needed. */
export class UnsupportedBrokerError extends HybridgeError {
  readonly code = "KAFKA_UNSUPPORTED_BROKER";
  readonly retry = "never";
}

/** The broker refused the credentials or the mechanism. */
export class AuthenticationError extends HybridgeError {
  readonly code = "KAFKA_AUTHENTICATION";
  /** "backoff" for credentials that were accepted before; see wire/login.ts. */
  readonly retry: Retry;

  constructor(message: string, options: ErrorOptions & { readonly retry?: Retry } = {}) {
    super(message, options);
    this.retry = options.retry ?? "never";
  }
}

/** A topic or partition does not exist (yet). */
export class UnknownTopicError extends HybridgeError {
  readonly code = "KAFKA_UNKNOWN_TOPIC";
  readonly retry = "backoff";
}

/** The log no longer holds a position: records between it and `startOffset` are gone. */
export class OffsetOutOfRangeError extends HybridgeError {
  readonly code = "KAFKA_OFFSET_OUT_OF_RANGE";
  readonly retry = "never";
  readonly topic: string;
  readonly partition: number;
  readonly position: bigint;
  readonly startOffset: bigint;
  readonly endOffset: bigint;

  constructor(at: {
    topic: string;
    partition: number;
    position: bigint;
    startOffset: bigint;
    endOffset: bigint;
  }) {
    super(
      `read ${at.topic}-${at.partition} from offset ${at.position}: the broker holds ${at.startOffset} to ${at.endOffset} (exclusive); ` +
        (at.position < at.startOffset
          ? `${at.startOffset - at.position} offsets were deleted before they were read: check retention.ms and retention.bytes of the topic`
          : "the log ends before the position: check whether the topic was recreated or lost data in an unclean election"),
    );
    this.topic = at.topic;
    this.partition = at.partition;
    this.position = at.position;
    this.startOffset = at.startOffset;
    this.endOffset = at.endOffset;
  }
}

/** The topic of this name is another one than before: it was deleted and created again. */
export class TopicRecreatedError extends HybridgeError {
  readonly code = "KAFKA_TOPIC_RECREATED";
  readonly retry = "never";
  /** The id that the topic has now, if it is known. */
  readonly topicId: string | undefined;

  constructor(message: string, topicId?: string) {
    super(message);
    this.topicId = topicId;
  }
}

/** The log was cut back below what was already read, and went on with other records. */
export class LogDivergedError extends HybridgeError {
  readonly code = "KAFKA_LOG_DIVERGED";
  readonly retry = "never";
  /** Where the leader's log parts from what was read, if it is known. */
  readonly endOffset: bigint | undefined;

  constructor(message: string, endOffset?: bigint) {
    super(message);
    this.endOffset = endOffset;
  }
}

/** Another owner took over the transactional id; this one can no longer append. */
export class FencedError extends HybridgeError {
  readonly code = "KAFKA_FENCED";
  readonly retry = "never";
}

/** The broker refuses a batch for its size. */
export class RecordTooLargeError extends HybridgeError {
  readonly code = "KAFKA_RECORD_TOO_LARGE";
  readonly retry = "never";
}

/** Somebody else writes to a partition that has one owner. */
export class ForeignWriterError extends HybridgeError {
  readonly code = "KAFKA_FOREIGN_WRITER";
  readonly retry = "never";
}

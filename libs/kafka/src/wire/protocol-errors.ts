import { type Retry } from "@hybridge/core";
import { aclArguments, type Acl, type AclOperation, type AclResource } from "../acls.ts";
import {
  BrokerError,
  FencedError,
  NotAuthorizedError,
  RecordTooLargeError,
  UnknownTopicError,
} from "../errors.ts";

/**
 * The error codes that a client can meet, with what trying again can do. Source: the error table
 * of the Kafka protocol guide (kafka.apache.org/protocol, "Error Codes").
 */
const table: Readonly<Record<number, readonly [name: string, retry: Retry]>> = {
  [-1]: ["UNKNOWN_SERVER_ERROR", "backoff"],
  1: ["OFFSET_OUT_OF_RANGE", "never"],
  2: ["CORRUPT_MESSAGE", "never"],
  3: ["UNKNOWN_TOPIC_OR_PARTITION", "backoff"],
  5: ["LEADER_NOT_AVAILABLE", "backoff"],
  6: ["NOT_LEADER_OR_FOLLOWER", "backoff"],
  7: ["REQUEST_TIMED_OUT", "backoff"],
  8: ["BROKER_NOT_AVAILABLE", "backoff"],
  9: ["REPLICA_NOT_AVAILABLE", "backoff"],
  10: ["MESSAGE_TOO_LARGE", "never"],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", "backoff"],
  15: ["COORDINATOR_NOT_AVAILABLE", "backoff"],
  16: ["NOT_COORDINATOR", "backoff"],
  17: ["INVALID_TOPIC_EXCEPTION", "never"],
  18: ["RECORD_LIST_TOO_LARGE", "never"],
  19: ["NOT_ENOUGH_REPLICAS", "backoff"],
  20: ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "backoff"],
  22: ["ILLEGAL_GENERATION", "never"],
  23: ["INCONSISTENT_GROUP_PROTOCOL", "never"],
  24: ["INVALID_GROUP_ID", "never"],
  25: ["UNKNOWN_MEMBER_ID", "never"],
  26: ["INVALID_SESSION_TIMEOUT", "never"],
  27: ["REBALANCE_IN_PROGRESS", "now"],
  29: ["TOPIC_AUTHORIZATION_FAILED", "never"],
  30: ["GROUP_AUTHORIZATION_FAILED", "never"],
  31: ["CLUSTER_AUTHORIZATION_FAILED", "never"],
  32: ["INVALID_TIMESTAMP", "never"],
  33: ["UNSUPPORTED_SASL_MECHANISM", "never"],
  34: ["ILLEGAL_SASL_STATE", "never"],
  35: ["UNSUPPORTED_VERSION", "never"],
  36: ["TOPIC_ALREADY_EXISTS", "never"],
  37: ["INVALID_PARTITIONS", "never"],
  // Also what a cluster answers while not enough of its brokers are up, as in a restart.
  38: ["INVALID_REPLICATION_FACTOR", "backoff"],
  40: ["INVALID_CONFIG", "never"],
  41: ["NOT_CONTROLLER", "backoff"],
  42: ["INVALID_REQUEST", "never"],
  43: ["UNSUPPORTED_FOR_MESSAGE_FORMAT", "never"],
  44: ["POLICY_VIOLATION", "never"],
  45: ["OUT_OF_ORDER_SEQUENCE_NUMBER", "backoff"],
  46: ["DUPLICATE_SEQUENCE_NUMBER", "backoff"],
  47: ["INVALID_PRODUCER_EPOCH", "never"],
  48: ["INVALID_TXN_STATE", "never"],
  49: ["INVALID_PRODUCER_ID_MAPPING", "never"],
  51: ["CONCURRENT_TRANSACTIONS", "backoff"],
  53: ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "never"],
  56: ["KAFKA_STORAGE_ERROR", "backoff"],
  58: ["SASL_AUTHENTICATION_FAILED", "never"],
  59: ["UNKNOWN_PRODUCER_ID", "backoff"],
  60: ["REASSIGNMENT_IN_PROGRESS", "backoff"],
  69: ["GROUP_ID_NOT_FOUND", "never"],
  70: ["FETCH_SESSION_ID_NOT_FOUND", "now"],
  71: ["INVALID_FETCH_SESSION_EPOCH", "now"],
  74: ["FENCED_LEADER_EPOCH", "backoff"],
  75: ["UNKNOWN_LEADER_EPOCH", "backoff"],
  76: ["UNSUPPORTED_COMPRESSION_TYPE", "never"],
  78: ["OFFSET_NOT_AVAILABLE", "backoff"],
  79: ["MEMBER_ID_REQUIRED", "now"],
  81: ["GROUP_MAX_SIZE_REACHED", "never"],
  87: ["INVALID_RECORD", "never"],
  89: ["THROTTLING_QUOTA_EXCEEDED", "backoff"],
  90: ["PRODUCER_FENCED", "never"],
  100: ["UNKNOWN_TOPIC_ID", "backoff"],
  103: ["INCONSISTENT_TOPIC_ID", "backoff"],
  106: ["FETCH_SESSION_TOPIC_ID_ERROR", "now"],
  110: ["FENCED_MEMBER_EPOCH", "never"],
  112: ["UNSUPPORTED_ASSIGNOR", "never"],
  113: ["STALE_MEMBER_EPOCH", "now"],
};

/** Error codes that the code compares with. */
export const errorCode = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  notLeader: 6,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  illegalGeneration: 22,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  invalidTimestamp: 32,
  invalidPartitions: 37,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  invalidConfig: 40,
  outOfOrderSequence: 45,
  concurrentTransactions: 51,
  fetchSessionIdNotFound: 70,
  groupIdNotFound: 69,
  invalidFetchSessionEpoch: 71,
  memberIdRequired: 79,
  invalidRecord: 87,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fetchSessionTopicIdError: 106,
  fencedMemberEpoch: 110,
  staleMemberEpoch: 113,
} as const;

/** True when the cached leader, topic id or coordinator is what is wrong. */
export function isStaleMetadata(code: number): boolean {
  return [3, 5, 6, 9, 14, 15, 16, 41, 56, 74, 75, 100, 103].includes(code);
}

/** What a request needs, for the message about a right that is missing. */
export type Need = Pick<Acl, "operation" | "name">;

/** Which kind of resource an answer is about that says no. */
const refusals: Readonly<Record<number, readonly [AclResource, AclOperation]>> = {
  29: ["Topic", "Read"],
  30: ["Group", "Read"],
  31: ["Cluster", "ClusterAction"],
  53: ["TransactionalId", "Write"],
};

/** True when the answer says that a right on a topic is missing. */
export function isTopicRefused(code: number): boolean {
  return code === 29;
}

function notAuthorized(attempt: string, code: number, need: Need | undefined, cause: Error): Error {
  const [resource, usual] = refusals[code] ?? (["Cluster", "ClusterAction"] as const);
  const { operation, name } = need ?? { operation: usual, name: "NAME" };
  const right =
    resource === "Cluster" ? `${operation} on the Cluster` : `${operation} on ${resource} ${name}`;
  const grant = aclArguments({ resource, name, operation }, "User:NAME").join(" ");
  return new NotAuthorizedError(
    `${attempt}: the right ${right} is missing; it is tried again until it is granted: kafka-acls ${grant}`,
    { cause },
  );
}

/**
 * Turns an error code of the protocol into the error of its class.
 *
 * @param need the right that the request needs, where the answer may be that it is missing
 */
export function brokerError(
  attempt: string,
  code: number,
  detail?: string | null,
  need?: Need,
): Error {
  // What a newer broker has to say is not known to be for ever: it is told, and tried again.
  const [name, retry] = table[code] ?? [`error ${code}`, "backoff" as const];
  const text = detail ?? undefined;
  const cause = new BrokerError(attempt, code, name, retry, text);
  if (code in refusals) return notAuthorized(attempt, code, need, cause);
  if (code === 3 || code === 100) {
    return new UnknownTopicError(`${attempt}: there is no such topic or partition`, { cause });
  }
  if (code === 47 || code === 90) {
    return new FencedError(`${attempt}: another owner took over (${name})`, { cause });
  }
  if (code === 10 || code === 18) {
    return new RecordTooLargeError(`${attempt}: the batch is larger than the topic allows`, {
      cause,
    });
  }
  return cause;
}

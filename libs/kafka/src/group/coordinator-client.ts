import { Cluster, type Lane } from "../cluster.ts";
import { ConnectionLostError, RequestTimeoutError } from "../errors.ts";
import {
  heartbeatApi,
  joinGroupApi,
  leaveGroupApi,
  readHeartbeat,
  readJoinGroup,
  readLeaveGroup,
  readSyncGroup,
  syncGroupApi,
  writeHeartbeat,
  writeJoinGroup,
  writeLeaveGroup,
  writeSyncGroup,
  type JoinAnswer,
  type JoinRequest,
  type MemberIdentity,
  type SyncAnswer,
  type SyncRequest,
} from "../wire/classic-group.ts";
import type { ApiVersions } from "../wire/connection.ts";
import {
  consumerHeartbeatApi,
  readConsumerHeartbeat,
  writeConsumerHeartbeat,
  type ConsumerHeartbeat,
  type ConsumerHeartbeatAnswer,
} from "../wire/consumer-group.ts";
import {
  offsetCommitApi,
  readOffsetCommit,
  writeOffsetCommit,
  type OffsetCommit,
} from "../wire/offset-commit.ts";
import { brokerError, errorCode, isTopicRefused } from "../wire/protocol-errors.ts";
import type { ProtocolReader } from "../wire/reader.ts";
import type { ProtocolWriter } from "../wire/writer.ts";
import type { GroupPort, GroupTopic, RequestLimits } from "./port.ts";

interface Codec<Request, Answer> {
  readonly api: ApiVersions;
  readonly write: (request: Request, version: number) => ProtocolWriter;
  readonly read: (reader: ProtocolReader, version: number) => Answer;
}

const consumerHeartbeat: Codec<ConsumerHeartbeat, ConsumerHeartbeatAnswer> = {
  api: consumerHeartbeatApi,
  write: writeConsumerHeartbeat,
  read: readConsumerHeartbeat,
};
const join: Codec<JoinRequest, JoinAnswer> = {
  api: joinGroupApi,
  write: writeJoinGroup,
  read: readJoinGroup,
};
const sync: Codec<SyncRequest, SyncAnswer> = {
  api: syncGroupApi,
  write: writeSyncGroup,
  read: readSyncGroup,
};
const heartbeat: Codec<MemberIdentity, number> = {
  api: heartbeatApi,
  write: writeHeartbeat,
  read: readHeartbeat,
};
const leave: Codec<MemberIdentity, number> = {
  api: leaveGroupApi,
  write: writeLeaveGroup,
  read: readLeaveGroup,
};
const commit: Codec<OffsetCommit, number> = {
  api: offsetCommitApi,
  write: writeOffsetCommit,
  read: readOffsetCommit,
};

/** Asks the coordinator of one group, wherever it is. The cluster's connections are its own. */
export class CoordinatorClient implements GroupPort {
  readonly #cluster: Cluster;
  readonly #group: string;
  #node: number | undefined;

  constructor(cluster: Cluster, group: string) {
    this.#cluster = cluster;
    this.#group = group;
  }

  consumerHeartbeat(request: ConsumerHeartbeat, limits: RequestLimits) {
    return this.#ask("group", consumerHeartbeat, request, limits);
  }

  // A broker holds back what stands behind a request that waits for other members.
  join(request: JoinRequest, limits: RequestLimits) {
    return this.#ask("join", join, request, limits);
  }

  sync(request: SyncRequest, limits: RequestLimits) {
    return this.#ask("join", sync, request, limits);
  }

  heartbeat(request: MemberIdentity, limits: RequestLimits) {
    return this.#ask("group", heartbeat, request, limits);
  }

  leave(request: MemberIdentity, limits: RequestLimits) {
    return this.#ask("group", leave, request, limits);
  }

  commit(request: OffsetCommit, limits: RequestLimits) {
    return this.#ask("group", commit, request, limits);
  }

  forget(): void {
    this.#node = undefined;
  }

  async topics(names: readonly string[], signal: AbortSignal): Promise<readonly GroupTopic[]> {
    const { topics } = await this.#cluster.describe(names, signal);
    return topics.flatMap(({ error, name, id, partitions }) => {
      if (isTopicRefused(error)) {
        throw brokerError(`look up topic ${name}`, error, null, { operation: "Read", name });
      }
      return error === errorCode.none ? [{ name, id, partitions: partitions.length }] : [];
    });
  }

  async #ask<Request, Answer>(
    lane: Lane,
    { api, write, read }: Codec<Request, Answer>,
    request: Request,
    { signal, timeoutMs }: RequestLimits,
  ): Promise<Answer> {
    try {
      this.#node ??= await this.#cluster.findCoordinator("group", this.#group, signal);
      const connection = await this.#cluster.connection(this.#node, lane, signal);
      const chosen = connection.choose(api);
      const body = write(request, chosen.version);
      return read(await connection.request(chosen, body, { signal, timeoutMs }), chosen.version);
    } catch (error) {
      // The broker may be gone for good: another one coordinates the group then.
      if (error instanceof ConnectionLostError || error instanceof RequestTimeoutError) {
        this.forget();
      }
      throw error;
    }
  }
}

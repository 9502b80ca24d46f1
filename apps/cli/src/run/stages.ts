import { describeError } from "@hybridge/core";
import { type Feed, IngestControlClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_control";
import {
  type GetStatusResponse as IngestStatus,
  IngestServiceClient,
} from "@hybridge/proto/hybridge/ingest/v1/ingest_service";
import {
  type GetStatusResponse as MirrorStatus,
  MirrorControlServiceClient,
} from "@hybridge/proto/hybridge/mirror/v1/mirror_control_service";
import {
  type GetStatusResponse as WarehouseStatus,
  WarehouseServiceClient,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_service";
import { callUnary, type ClientAccess, createClient } from "@hybridge/rpc";
import type { ServiceName } from "./plan.ts";

/** One line of the live view. */
export interface Stage {
  readonly name: string;
  /** STARTING, RUNNING, DONE, DEGRADED, ... or DOWN when the service does not answer. */
  readonly state: string;
  readonly reason: string;
  /** Since the process of the service started. */
  readonly records: bigint;
  /** Records per second; undefined where a stage has none of its own. */
  readonly rate: number | undefined;
  /** Upper bound in records, from offsets; undefined when it is not known. */
  readonly lag: bigint | undefined;
  readonly lagMs: bigint;
  /** Records put aside, with their coordinates, since the process of the service started. */
  readonly deadLetters: bigint;
}

/** Addresses of the services' gRPC servers; absent while a service is not listening. */
export type ServiceAddresses = Readonly<Partial<Record<ServiceName, string>>>;

const DEADLINE_MS = 2_000;

/**
 * Asks every service for its status and makes the six stages of the path out of the answers, with
 * one before them for each live source.
 */
export async function readStages(
  services: { addresses(): ServiceAddresses; readonly access: ClientAccess },
  signal: AbortSignal,
): Promise<readonly Stage[]> {
  const addresses = services.addresses();
  const ask = <S>(address: string | undefined, getStatus: GetStatus<S>) =>
    askFor(address, (at) => getStatus(at, services.access, signal), signal);
  const [feeds, ingest, mirror, internal, external] = await Promise.all([
    ask(addresses.ingest, feedsOf),
    ask(addresses.ingest, ingestStatus),
    ask(addresses.mirror, mirrorStatus),
    ask(addresses["warehouse-internal"], warehouseStatus),
    ask(addresses["warehouse-external"], warehouseStatus),
  ]);
  return [
    ...feedStages(feeds),
    ingestStage(ingest),
    mirrorStage(mirror),
    ...warehouseStages(internal, "HDFS", "Hive"),
    ...warehouseStages(external, "S3", "Redshift"),
  ];
}

/** True when every stage runs and nothing waits in front of any of them. */
export function allCaughtUp(stages: readonly Stage[]): boolean {
  return stages.every((stage) => stage.state === "DONE" || (isRunning(stage) && stage.lag === 0n));
}

function isRunning(stage: Stage): boolean {
  return stage.state === "RUNNING" || stage.state === "STREAMING";
}

type Answer<S> = { readonly status: S } | { readonly state: string; readonly problem: string };

type GetStatus<S> = (address: string, access: ClientAccess, signal: AbortSignal) => Promise<S>;

async function askFor<S>(
  address: string | undefined,
  getStatus: (address: string) => Promise<S>,
  signal: AbortSignal,
): Promise<Answer<S>> {
  if (address === undefined) return { state: "STARTING", problem: "" };
  try {
    return { status: await getStatus(address) };
  } catch (error) {
    signal.throwIfAborted();
    return { state: "DOWN", problem: describeError(error) };
  }
}

/** A client for each address, kept: its channel reconnects by itself. */
function clientCache<C>(
  make: (address: string, access: ClientAccess) => C,
): (address: string, access: ClientAccess) => C {
  const clients = new Map<string, C>();
  return (address, access) => {
    const client = clients.get(address) ?? make(address, access);
    clients.set(address, client);
    return client;
  };
}

const ingestClient = clientCache((address, access) =>
  createClient(IngestServiceClient, address, access),
);
const feedsClient = clientCache((address, access) =>
  createClient(IngestControlClient, address, access),
);
const mirrorClient = clientCache((address, access) =>
  createClient(MirrorControlServiceClient, address, access),
);
const warehouseClient = clientCache((address, access) =>
  createClient(WarehouseServiceClient, address, access),
);

const ingestStatus: GetStatus<IngestStatus> = (address, access, signal) => {
  const client = ingestClient(address, access);
  return callUnary(client.getStatus.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
};

const mirrorStatus: GetStatus<MirrorStatus> = (address, access, signal) => {
  const client = mirrorClient(address, access);
  return callUnary(client.getStatus.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
};

const warehouseStatus: GetStatus<WarehouseStatus> = (address, access, signal) => {
  const client = warehouseClient(address, access);
  return callUnary(client.getStatus.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
};

const feedsOf: GetStatus<readonly Feed[]> = async (address, access, signal) => {
  const client = feedsClient(address, access);
  const call = { deadlineMs: DEADLINE_MS, signal };
  return (await callUnary(client.listFeeds.bind(client), {}, call)).feeds;
};

/** What comes from files and the generator is the next stage's own; what is live has its own troubles. */
function feedStages(answer: Answer<readonly Feed[]>): Stage[] {
  if (!("status" in answer)) return [];
  return answer.status.flatMap((feed) => {
    if (feed.source === "replay") return [];
    return {
      ...NOTHING_KNOWN,
      name: `${feed.name} -> posts`,
      state: feed.state,
      reason: feed.detail,
      records: feed.posts + feed.deletions,
      rate: feed.rate,
      lag: 0n,
      lagMs: feed.lagMs ?? 0n,
    };
  });
}

function ingestStage(answer: Answer<IngestStatus>): Stage {
  const name = "posts -> source Kafka";
  if (!("status" in answer)) return unknownStage(name, answer);
  const { status } = answer;
  return {
    name,
    state: status.state,
    reason: status.reason,
    records: status.acknowledged,
    rate: status.rate,
    lag: status.inFlight,
    lagMs: 0n,
    deadLetters: status.deadLetters,
  };
}

function mirrorStage(answer: Answer<MirrorStatus>): Stage {
  const name = "source Kafka -> target Kafka";
  if (!("status" in answer)) return unknownStage(name, answer);
  const { status } = answer;
  return {
    name,
    state: status.state,
    reason: status.reason,
    records: status.records,
    rate: status.rate,
    lag: sumLag(status.partitions, (partition) => partition.lag),
    lagMs: maxLagMs(status.partitions),
    deadLetters: status.partitions.reduce((sum, partition) => sum + partition.deadLetters, 0n),
  };
}

function warehouseStages(answer: Answer<WarehouseStatus>, store: string, catalog: string): Stage[] {
  const kafka = store === "HDFS" ? "source" : "target";
  const names = [`${kafka} Kafka -> ${store}`, `${store} -> ${catalog}`] as const;
  if (!("status" in answer)) return names.map((name) => unknownStage(name, answer));
  const { status } = answer;
  const { state, reason, partitions } = status;
  return [
    {
      name: names[0],
      state,
      reason,
      records: status.landed,
      rate: status.rate,
      lag: sumLag(partitions, (partition) => partition.lag),
      lagMs: maxLagMs(partitions),
      deadLetters: status.deadLetters,
    },
    {
      name: names[1],
      state,
      reason,
      records: status.queryable,
      rate: undefined,
      lag: sumLag(partitions, (partition) => partition.landedOffset - partition.queryableOffset),
      lagMs: 0n,
      deadLetters: 0n,
    },
  ];
}

const NOTHING_KNOWN = {
  records: 0n,
  rate: undefined,
  lag: undefined,
  lagMs: 0n,
  deadLetters: 0n,
} as const;

function unknownStage(name: string, answer: { state: string; problem: string }): Stage {
  const { state, problem } = answer;
  return { ...NOTHING_KNOWN, name, state, reason: problem };
}

/** Undefined while no partition is known: a service that has just started is not caught up. */
function sumLag<P>(partitions: readonly P[], lagOf: (partition: P) => bigint): bigint | undefined {
  if (partitions.length === 0) return undefined;
  return partitions.reduce((sum, partition) => {
    const lag = lagOf(partition);
    return lag > 0n ? sum + lag : sum;
  }, 0n);
}

function maxLagMs(partitions: readonly { readonly lagMs: bigint }[]): bigint {
  return partitions.reduce((most, { lagMs }) => (lagMs > most ? lagMs : most), 0n);
}

import type {
  FlushResponse,
  ListGapsResponse,
  ListLoadsResponse,
  ListPartitionsResponse,
  PauseResponse,
  WarehouseControlClient,
} from "@hybridge/proto/hybridge/warehouse/v1/warehouse_control";
import { callUnary } from "@hybridge/rpc";

const DEADLINE_MS = 10_000;
/** A flush encodes and uploads. */
const FLUSH_MS = 120_000;

type Client = WarehouseControlClient;

export function readStatus(client: Client, signal: AbortSignal): Promise<ListPartitionsResponse> {
  const method = client.listPartitions.bind(client);
  return callUnary(method, {}, { deadlineMs: DEADLINE_MS, signal });
}

export function flush(client: Client, signal: AbortSignal): Promise<FlushResponse> {
  return callUnary(client.flush.bind(client), {}, { deadlineMs: FLUSH_MS, signal });
}

export function pause(partitions: readonly number[]) {
  return (client: Client, signal: AbortSignal): Promise<PauseResponse> => {
    const request = { partitions: [...partitions] };
    return callUnary(client.pause.bind(client), request, { deadlineMs: DEADLINE_MS, signal });
  };
}

export function resume(partitions: readonly number[]) {
  return (client: Client, signal: AbortSignal): Promise<PauseResponse> => {
    const request = { partitions: [...partitions] };
    return callUnary(client.resume.bind(client), request, { deadlineMs: DEADLINE_MS, signal });
  };
}

export function readGaps(client: Client, signal: AbortSignal): Promise<ListGapsResponse> {
  return callUnary(client.listGaps.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
}

export function readLoads(client: Client, signal: AbortSignal): Promise<ListLoadsResponse> {
  return callUnary(client.listLoads.bind(client), {}, { deadlineMs: DEADLINE_MS, signal });
}

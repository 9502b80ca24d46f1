import {
  Engine as ProtoEngine,
  QueryServiceService,
  type GetStatusResponse,
  type QueryServiceServer,
} from "@hybridge/proto/hybridge/query/v1/query_service";
import { serverStream, unary } from "@hybridge/rpc";
import type { ResultLimits } from "../batching.ts";
import type { EngineHealth } from "../health.ts";
import { answerExecute, type Engines } from "./execute.ts";
import type { TimeLimit } from "./time-limit.ts";

export function queryService(options: {
  readonly engines: Engines;
  readonly limits: ResultLimits;
  readonly time: TimeLimit;
  readonly health: EngineHealth;
}) {
  const implementation: QueryServiceServer = {
    execute: serverStream((request, call) => answerExecute(request, call, options)),
    getStatus: unary(() => Promise.resolve(statusOf(options.health))),
  };
  return { definition: QueryServiceService, implementation };
}

const PROTO = { hive: ProtoEngine.HIVE, redshift: ProtoEngine.REDSHIFT } as const;

function statusOf(health: EngineHealth): GetStatusResponse {
  const states = health.states();
  const away = states.filter(({ reachable }) => !reachable);
  const { queries, failed } = health.counts();
  return {
    state: away.length === 0 ? "RUNNING" : "DEGRADED",
    reason: away.map(({ engine, reason }) => `${engine}: ${reason}`).join("; "),
    engines: states.map((state) => ({ ...state, engine: PROTO[state.engine] })),
    queries: BigInt(queries),
    failed: BigInt(failed),
  };
}

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@hybridge/core";
import { IngestServiceClient } from "@hybridge/proto/hybridge/ingest/v1/ingest_service";
import { QueryServiceClient } from "@hybridge/proto/hybridge/query/v1/query_service";
import { ReconcileServiceClient } from "@hybridge/proto/hybridge/reconcile/v1/reconcile_service";
import { TweetServiceClient } from "@hybridge/proto/hybridge/tweets/v1/tweet_service";
import { type ClientAccess, createClient } from "@hybridge/rpc";
import { type RunCloud, type RunPlan, serviceEnvironments, serviceNames } from "./plan.ts";
import { rpcAccess } from "./secured.ts";
import { type ServiceFailedError, type SupervisedService, superviseService } from "./service.ts";
import type { ServiceAddresses } from "./stages.ts";

/** The five services of a run, supervised, with clients for those that answer questions. */
export interface RunningServices extends AsyncDisposable {
  addresses(): ServiceAddresses;
  /** What their gRPC servers want to see of a client. */
  readonly access: ClientAccess;
  /** Resolves when all of them listen; rejects when one is given up or the signal is aborted. */
  untilListening(signal: AbortSignal): Promise<void>;
  clients(): {
    readonly ingest: IngestServiceClient;
    readonly query: QueryServiceClient;
    readonly reconcile: ReconcileServiceClient;
    readonly tweets: TweetServiceClient;
  };
}

/** Starts the services in the order of the data; they wait for each other by themselves. */
export function startServices(
  plan: RunPlan,
  cloud: RunCloud,
  options: {
    readonly root: string;
    readonly onEvent: (line: string) => void;
    readonly onFailure: (error: ServiceFailedError) => void;
  },
): RunningServices {
  for (const folder of ["logs", "traces", "staging", "dead-letters"]) {
    mkdirSync(join(plan.dir, folder), { recursive: true });
  }
  const environments = serviceEnvironments(plan, cloud.addresses, cloud.security);
  const access = rpcAccess(cloud.security);
  const services = serviceNames.map((name) =>
    superviseService({
      ...options,
      name,
      env: environments[name],
      logFile: join(plan.dir, "logs", `${name}.log`),
    }),
  );
  const addresses = () => addressesOf(services);
  return {
    addresses,
    access,
    async untilListening(signal) {
      while (services.some((service) => service.address === undefined)) {
        await systemClock.sleep(50, signal);
      }
    },
    clients() {
      const { ingest = "", "query-gateway": gateway = "" } = addresses();
      return {
        ingest: createClient(IngestServiceClient, ingest, access),
        query: createClient(QueryServiceClient, gateway, access),
        reconcile: createClient(ReconcileServiceClient, gateway, access),
        tweets: createClient(TweetServiceClient, gateway, access),
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(services.map((service) => service[Symbol.asyncDispose]()));
    },
  };
}

function addressesOf(services: readonly SupervisedService[]): ServiceAddresses {
  return Object.fromEntries(
    services.flatMap(({ name, address }) => (address === undefined ? [] : [[name, address]])),
  );
}

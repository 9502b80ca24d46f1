import {
  Server,
  type ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { InvariantError, type Emit } from "@hybridge/core";
import { HealthImplementation } from "grpc-health-check";
import { knownCallers } from "./callers.ts";
import { fileDescriptors, methodsWithoutSideEffects } from "./descriptors.ts";
import { RpcListenError } from "./errors.ts";
import { guardCalls } from "./guard.ts";
import { serverCredentials } from "./server-credentials.ts";
import type { RpcConfig } from "./settings.ts";

const HEALTH_SERVICE = "grpc.health.v1.Health";

/** How long open calls may go on after the server was told to stop. */
const GRACE_MS = 1_000;

export interface RpcServerOptions {
  readonly config: RpcConfig;
  readonly services: readonly {
    readonly definition: ServiceDefinition;
    readonly implementation: UntypedServiceImplementation;
  }[];
  /** Told of every call: `rpc.finished` at debug level, `rpc.failed` for errors of ours. */
  readonly emit: Emit;
}

/** A listening server. Disposing it says NOT_SERVING, lets open calls end, then ends them. */
export interface RpcServer extends AsyncDisposable {
  /** `host:port` as bound. */
  readonly address: string;
  /** What grpc.health.v1 answers, for every service and for "". NOT_SERVING until first called. */
  setServing(serving: boolean): void;
}

/**
 * Starts a gRPC server with some services, health and reflection.
 *
 * @throws RpcListenError when the port is taken
 * @throws ConfigError when the list of tokens is malformed or a TLS file cannot be used
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { config } = options;
  const names = options.services.map(({ definition }) => serviceName(definition));
  const descriptors = fileDescriptors();
  const guard = guardCalls({
    callerOf: knownCallers(config),
    reads: methodsWithoutSideEffects(descriptors),
    emit: options.emit,
  });
  const server = new Server({
    interceptors: [guard],
    "grpc.max_receive_message_length": 4 * 1024 * 1024,
    "grpc.max_concurrent_streams": 256,
    // Dead peers are noticed within a minute, so that nobody's query runs for a cable that is out.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 20_000,
  });
  for (const { definition, implementation } of options.services) {
    server.addService(definition, implementation);
  }
  const health = new HealthImplementation();
  const setServing = (serving: boolean) => {
    for (const name of ["", ...names]) {
      health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    }
  };
  setServing(false);
  health.addToServer(server);
  reflection(descriptors, [...names, HEALTH_SERVICE]).addToServer(server);
  const tls = serverCredentials(config, options.emit);
  const port = await listen(server, config, tls.credentials).catch((error: unknown) => {
    tls[Symbol.dispose]();
    throw error;
  });
  return {
    address: `${config.HYBRIDGE_RPC_HOST}:${port}`,
    setServing,
    async [Symbol.asyncDispose]() {
      setServing(false);
      tls[Symbol.dispose]();
      await shutDown(server);
    },
  };
}

function listen(
  server: Server,
  config: RpcConfig,
  credentials: ServerCredentials,
): Promise<number> {
  const wanted = `${config.HYBRIDGE_RPC_HOST}:${config.HYBRIDGE_RPC_PORT}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(wanted, credentials, (error, port) => {
      if (error === null) resolve(port);
      else {
        reject(
          new RpcListenError(
            `the gRPC server cannot listen on ${wanted}; is another process using the port? ` +
              "HYBRIDGE_RPC_HOST and HYBRIDGE_RPC_PORT choose another",
            { cause: error },
          ),
        );
      }
    });
  });
}

/**
 * tryShutdown alone never returns while somebody holds a health Watch open (grpc-node #1458), and
 * every orchestrator does: so it is raced with a deadline.
 */
async function shutDown(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
  server.forceShutdown();
}

/**
 * Reflection from the descriptors that buf wrote, byte for byte. Through proto-loader they would be
 * made anew, and clients in Go refuse the names that it gives to entries of maps.
 */
function reflection(files: readonly Buffer[], services: string[]): ReflectionService {
  // Of a package it reads nothing but this list.
  const all = { fileDescriptorProtos: files } as unknown as Package[string];
  return new ReflectionService({ all }, { services });
}

type Package = ConstructorParameters<typeof ReflectionService>[0];

function serviceName(definition: ServiceDefinition): string {
  const [method] = Object.values(definition);
  const name = method?.path.split("/")[1];
  if (name === undefined) throw new InvariantError("a gRPC service definition without methods");
  return name;
}

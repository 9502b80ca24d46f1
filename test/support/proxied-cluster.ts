import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import type { ClusterOptions } from "@hybridge/kafka";
import { startKafka, type Kafka } from "@hybridge/local";
import { startProxy, type Proxy } from "./proxy.ts";

/** A broker, a way around the proxy for the judge, and the way through it for the mirror. */
export interface ProxiedCluster extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly direct: ClusterOptions;
  readonly proxied: string;
  readonly proxy: Proxy;
}

/** Starts a broker whose second listener tells its clients the address of the proxy. */
export async function startProxied(dir: string, name: string): Promise<ProxiedCluster> {
  const [broker, controller, inner, outer] = await freePorts(4);
  const proxy = await startProxy({ port: outer ?? 0, to: () => inner ?? 0 });
  const kafka = await startKafka({
    dir: join(dir, name),
    name,
    ports: { broker: broker ?? 0, controller: controller ?? 0 },
    settings: {
      listeners: `PLAINTEXT://127.0.0.1:${broker},PROXIED://127.0.0.1:${inner},CONTROLLER://127.0.0.1:${controller}`,
      "advertised.listeners": `PLAINTEXT://127.0.0.1:${broker},PROXIED://127.0.0.1:${outer}`,
      "listener.security.protocol.map":
        "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    },
  });
  return {
    kafka,
    proxy,
    direct: { bootstrap: kafka.addresses.bootstrap, clientId: "fault" },
    proxied: `127.0.0.1:${outer}`,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await kafka.stop();
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

import { join } from "node:path";
import type { ClusterOptions } from "@hybridge/kafka";
import { isFree, startKafka, type Kafka, type KafkaOptions } from "@hybridge/local";
import { startProxy, type Proxy } from "./proxy.ts";

/** A broker, a way around the proxy for the judge, and the way through it for the mirror. */
export interface ProxiedCluster extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly direct: ClusterOptions;
  readonly proxied: string;
  readonly proxy: Proxy;
}

/** Starts a broker whose second listener tells its clients the address of the proxy. */
export async function startProxied(
  dir: string,
  name: string,
  more: Pick<KafkaOptions, "heapMb" | "jvm" | "settings"> = {},
): Promise<ProxiedCluster> {
  const [broker, controller, inner, outer] = await freePorts(4);
  const proxy = await startProxy({ port: outer ?? 0, to: () => inner ?? 0 });
  const kafka = await startKafka({
    ...more,
    dir: join(dir, name),
    name,
    ports: { broker: broker ?? 0, controller: controller ?? 0 },
    settings: {
      ...more.settings,
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

/**
 * Below the range from which outgoing connections take theirs: a client that knocks at the port of
 * a broker that is down could otherwise get just that port for itself, and keep the broker out.
 */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { oneAtATime } from "../../support/exclusive.ts";
import { startProxied, type ProxiedCluster } from "../../support/proxied-cluster.ts";

/** A cluster that several runs share and break. */
export interface Side extends ProxiedCluster {
  readonly name: "source" | "target";
  /** Two runs must not bounce one broker, or set its proxy's delay, at once. */
  readonly alone: <T>(body: () => Promise<T>) => Promise<T>;
}

/** Both clusters, and the folder with their logs and the mirrors'. */
export interface Clusters extends AsyncDisposable {
  readonly dir: string;
  readonly source: Side;
  readonly target: Side;
  /** Says that the logs are worth something: the folder stays. */
  keep(): void;
}

const SETTINGS = {
  // A killed broker may come back when its old session has run out: most of what a bounce takes.
  "broker.session.timeout.ms": "1000",
  "broker.heartbeat.interval.ms": "200",
};

export async function startClusters(): Promise<Clusters> {
  const dir = mkdtempSync(join(tmpdir(), "hybridge-fault-"));
  const start = async (name: Side["name"]): Promise<Side> => {
    const cluster = await startProxied(dir, name, { settings: SETTINGS });
    return Object.assign(cluster, { name, alone: oneAtATime() });
  };
  const [source, target] = await Promise.all([start("source"), start("target")]);
  let isKept = false;
  return {
    dir,
    source,
    target,
    keep() {
      isKept = true;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
      if (!isKept) rmSync(dir, { recursive: true, force: true });
    },
  };
}

import type { ClusterOptions } from "./api.ts";
import { withCluster } from "./cluster.ts";

/** The id of a cluster, which it keeps for life. */
export async function clusterIdOf(options: ClusterOptions, signal: AbortSignal): Promise<string> {
  return await withCluster(options, signal, async (cluster) => {
    return (await cluster.describe([], signal)).clusterId;
  });
}
